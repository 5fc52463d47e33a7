"""What the demo shows: a login with a fresh password, a small contact center, and the sample calls as calls of it."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axes.utils import reset
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from callanalytics.calls.models import Call, CallStatus, Notice
from callanalytics.calls.services import NewCall, call_ingest, call_retry
from callanalytics.people.models import Agent, Queue, Team, User

if TYPE_CHECKING:
    from pathlib import Path

TEAM = "Northfield Service"
USER = "demo"
APART = timedelta(minutes=7)
"""Between the starts of two sample calls."""


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str
    renewed: bool
    """An earlier start printed another password, which this one replaced."""


def login_renew() -> Login:
    """The demo's owner, with a new random password each time: none is ever written down. Wrong ones of earlier runs no longer count."""
    user, first = User.objects.get_or_create(username=USER, defaults={"first_name": "Demo", "is_staff": True, "is_superuser": True})
    login = Login(USER, secrets.token_urlsafe(12), renewed=not first)
    user.set_password(login.password)
    user.save(update_fields=["password"])
    reset(username=USER)
    return login


def samples_folder() -> Path:
    """Raises FileNotFoundError where the platform was not started from a clone."""
    folder: Path = settings.BASE_DIR / "samples"
    if not (folder / "samples.json").is_file():
        raise FileNotFoundError(f"{folder} holds no sample calls: the demo runs from a clone of the repository.")
    return folder


def samples_ingest() -> list[Call]:
    """The sample calls, each taken in once; one that failed in an earlier run is tried again."""
    folder = samples_folder()
    scripts = json.loads((folder / "samples.json").read_text())["calls"]
    began = timezone.now() - APART * len(scripts)
    calls = [_ingested(script, folder / script["file"], began + APART * place) for place, script in enumerate(scripts)]
    for call in calls:
        if call.status == CallStatus.FAILED:
            call_retry(user=User.objects.get(username=USER), call_id=call.id)
    return calls


def _ingested(script: dict[str, Any], file: Path, started_at: datetime) -> Call:
    team, agent, queue = _people(script)
    details = NewCall(
        file_name=file.name,
        team=team,
        # With the audio's digest in it, so that a sample that was made again is a new call and not a conflict.
        external_id=f"sample-{script['name']}-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}",
        agent=agent,
        queue=queue,
        direction=script["direction"],
        started_at=started_at,
        channels=tuple(script["channels"]),
        language=script["language"],
        notice=Notice.GIVEN,
        tags=("sample", "synthetic voices"),
    )
    return call_ingest(file, details, user=None).call


@transaction.atomic
def _people(script: dict[str, Any]) -> tuple[Team, Agent, Queue]:
    team, _ = Team.objects.get_or_create(name=TEAM)
    agent, _ = Agent.objects.get_or_create(code=script["agent"], defaults={"name": script["agent_name"], "team": team})
    queue, _ = Queue.objects.get_or_create(name=script["queue"], defaults={"team": team})
    return team, agent, queue
