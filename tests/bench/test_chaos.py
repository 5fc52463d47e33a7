"""The benchmark that breaks things finds what is lost, done twice, raised wrongly or stuck, and touches no servers but its own."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import soundfile

from analysis.values import Party
from bench.chaos import isolation
from bench.chaos.recordings import CUTS, recording
from bench.chaos.site import external_id
from bench.chaos.verdict import judged, messages, untold
from bench.receiver import Got
from bench.servers import refuse_foreign
from callanalytics.calls import lease
from callanalytics.calls.models import AnalysisRun, Call
from callanalytics.calls.services import call_retry
from callanalytics.events.models import Event
from callanalytics.events.types import PUBLIC
from tests import factories
from tests.worker.installation import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.chaos.recordings import Cut
    from bench.chaos.verdict import Verdict
    from tests.factories import World

NUMBERS = {external_id(number): number for number in range(2)}


def handed_in(world: World, number: int) -> Call:
    source = io.BytesIO(recording(number))
    return factories.queued_call(world.billing, source, external_id=external_id(number))


def heard() -> list[Got]:
    """Every public event of the outbox, as the receiver gets it."""
    events = Event.objects.filter(type__in=PUBLIC).order_by("created_at")
    return [got(event.type, str(event.payload["call"]), str(event.id)) for event in events]


def got(type: str, call: str, event_id: str = "e1") -> Got:
    return Got(at=100.0, path="/healthy", id=event_id, headers={}, body=json.dumps({"type": type, "data": {"call": call}}).encode())


def flagged(times: int) -> Mapping[Cut, int]:
    return dict.fromkeys(CUTS, times)


def verdict(told: list[Got] | None = None, flags: int = 1) -> Verdict:
    return judged(NUMBERS, heard() if told is None else told, flagged(flags))


@pytest.fixture
def calls(world: World) -> list[Call]:
    """Two that came through, with a flag each."""
    return [factories.analyzed(handed_in(world, number)) for number in NUMBERS.values()]


def test_calls_that_came_through_once_are_found_well(calls: list[Call]) -> None:
    found = verdict()
    assert (found.calls, found.lost, found.twice, found.repeated, found.alarms, found.stuck, found.failed) == (2, 0, 0, 0, 0, 0, 0)
    assert found.ended_at == 100.0
    assert untold(heard()) == []


def test_a_call_without_a_row_is_lost(calls: list[Call]) -> None:
    Call.objects.filter(id=calls[0].id).update(external_id="other")
    found = verdict()
    assert (found.lost, found.ended_at) == (1, 100.0)


def test_a_call_whose_end_nobody_was_told_of_is_lost(calls: list[Call]) -> None:
    told = [each for each in heard() if not (b"call.analyzed" in each.body and str(calls[0].id).encode() in each.body)]
    found = verdict(told)
    assert (found.lost, found.ended_at) == (1, None)
    assert len(untold(told)) == 1


def test_a_call_that_still_waits_is_stuck_and_not_lost(world: World) -> None:
    factories.analyzed(handed_in(world, 0))
    handed_in(world, 1)
    found = verdict()
    assert (found.stuck, found.lost, found.ended_at) == (1, 0, None)


def test_a_call_that_failed_is_counted_as_that(world: World) -> None:
    factories.analyzed(handed_in(world, 0))
    call = handed_in(world, 1)
    lease.call_fail(call.id, factories.claimed(call), "It broke.", permanent=True)
    found = verdict()
    assert (found.failed, found.stuck, found.lost) == (1, 0, 0)


def test_a_call_that_is_analysed_again_is_done_twice(world: World, calls: list[Call]) -> None:
    call_retry(user=world.owner, call_id=calls[0].id)
    factories.analyzed(Call.objects.get(id=calls[0].id))
    assert AnalysisRun.objects.filter(call=calls[0]).count() == 2
    assert verdict().twice == 1


def test_an_analysis_that_is_told_of_under_two_ids_is_done_twice(calls: list[Call]) -> None:
    assert verdict([*heard(), got("call.analyzed", str(calls[0].id), "another")]).twice == 1


def test_a_repeated_id_is_dropped_by_the_receiver_and_counted(calls: list[Call]) -> None:
    told = heard()
    found = verdict([*told, told[0], told[0]])
    assert (found.repeated, found.twice) == (2, 0)
    assert messages([*told, told[0]])[1] == 1


def test_more_flags_than_without_faults_are_false_alarms(calls: list[Call]) -> None:
    assert verdict(flags=0).alarms == 2
    assert verdict([*heard(), got("flag.raised", str(calls[0].id), "another")]).alarms == 1


def test_every_recording_has_bytes_of_its_own_and_lasts_three_to_five_seconds() -> None:
    made = [recording(number) for number in range(200)]
    assert len({hashlib.sha256(each).hexdigest() for each in made}) == 200
    assert {round(soundfile.info(io.BytesIO(each)).duration, 1) for each in made[: len(CUTS)]} <= {3.5, 4.0, 4.5, 5.0}
    assert made[7] == recording(7)
    assert len(Party) >= soundfile.info(io.BytesIO(made[0])).channels == 2


def test_it_refuses_servers_that_it_did_not_start() -> None:
    for name in ("DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL"):
        with pytest.raises(SystemExit, match=name):
            refuse_foreign({name: "postgres://production/calls"})
    refuse_foreign({"DATABASE_URL": ""})
    command = [sys.executable, "-m", "bench.chaos", "--quick"]
    refused = subprocess.run(command, cwd=ROOT, env={"DATABASE_URL": "postgres://x/y"}, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "DATABASE_URL is set" in refused.stderr


def test_a_name_means_another_address_at_each_question() -> None:
    """Only the answers: a question as glibc asks it."""
    names = object.__new__(isolation.Names)
    names.asked, names.addresses = 0, ["127.0.0.1", "127.0.0.66"]
    labels = b"".join(bytes([len(part)]) + part.encode() for part in isolation.NAME.split("."))
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"
    answers = [names._answer(question) for _ in range(3)]
    assert [tuple(answer[-4:]) for answer in answers] == [(127, 0, 0, 1), (127, 0, 0, 66), (127, 0, 0, 1)]
    assert all(answer[:2] == b"\x12\x34" for answer in answers)
    six = question[:-4] + b"\x00\x1c\x00\x01"
    assert names._answer(six)[6:8] == b"\x00\x00", "no address of version 6"
