"""Stored calls for a browser to look at, without an analysis: one of four hours with its audio, and some whose every name is long.

CALLANALYTICS_HOME=... python -m tests.browser.desk
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.dashboard_rows import Center
    from callanalytics.calls.models import Call

LOGIN, PASSWORD = "supervisor", "a long password"
LONG_NAME = "Beschwerdemanagement_und_Kundenrueckgewinnung_Schadensregulierung"
RATE = 8000


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "callanalytics.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from bench.dashboard_rows import Center, long_stored, stored

    call_command("migrate", verbosity=0)
    center = Center(seed=1)
    center.supervisor.set_password(PASSWORD)
    center.supervisor.save()
    stored(center, 12)
    names_lengthened(center)
    handed_over(center)
    copies_written(long_stored(center))


def names_lengthened(center: Center) -> None:
    """On half of the calls, one of which failed: names without a place to break."""
    from callanalytics.calls.models import Call
    from callanalytics.people.models import Agent, Queue, Team
    from callanalytics.review.models import CoachingNote

    team = Team.objects.create(name=f"team_{LONG_NAME}", parent=center.head)
    queue = Queue.objects.create(name=f"queue_{LONG_NAME}", team=team)
    agent = Agent.objects.create(code=f"a_{LONG_NAME}"[:60], name=f"agent {LONG_NAME}", team=team)
    for number, call in enumerate(Call.objects.order_by("file_name")[:6]):
        call.team, call.queue, call.agent = team, queue, agent
        call.external_id, call.file_name = f"{number}_{LONG_NAME}" if number % 2 else "", f"{number}_{LONG_NAME}.wav"
        call.customer_reference, call.reason = f"reference_{LONG_NAME}", f"{LONG_NAME}: no audio" if call.status == "failed" else ""
        call.save()
        CoachingNote.objects.create(call=call, agent=agent, author=center.supervisor, text=f"Listen to {LONG_NAME}.")


def handed_over(center: Center) -> None:
    """Two flags on the board, each with its call."""
    from datetime import timedelta

    from django.utils import timezone

    from callanalytics.calls.models import Flag
    from callanalytics.routing.models import Handover

    now = timezone.now()
    flags = {flag.call_id: flag for flag in Flag.objects.filter(status="open").order_by("id")}
    for flag in list(flags.values())[:2]:
        Handover.objects.create(
            flag=flag,
            call=flag.call,
            team=flag.team,
            segment_ended_at=now - timedelta(minutes=4),
            status="open",
            opens_at=now,
            opened_at=now,
            paged_at=now,
            claim_by=now + timedelta(minutes=11),
            step=1,
        )


def copies_written(call: Call) -> None:
    """Silence of the call's length to play, and a waveform."""
    import av
    import numpy as np

    from callanalytics.calls.services import peaks_path, playback_path

    for path in (playback_path(call), peaks_path(call)):
        path.parent.mkdir(parents=True, exist_ok=True)
    peaks_path(call).write_text(json.dumps({"per_second": 0.5, "channels": [[0.3, 0.1] * 3600, [0.1, 0.3] * 3600]}))
    silence = np.zeros((1, 600 * RATE), dtype=np.float32)
    with av.open(str(playback_path(call)), "w", format="ipod", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono", bit_rate=RATE)
        for minute in range(0, round(call.seconds or 0.0) // 60, 10):
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, minute * 60 * RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
