"""What the demo puts into the database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from django.conf import settings

from callanalytics.calls.files import recording_path
from callanalytics.calls.models import Call, CallStatus, Notice
from callanalytics.people.models import Agent, Queue, Team, User
from worker import demo_data

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = json.loads((ROOT / "samples" / "samples.json").read_text())["calls"]


@pytest.mark.django_db(transaction=True)
def test_the_samples_become_calls_with_what_the_script_says_of_them(media: Path, nudged: list[str]) -> None:
    demo_data.login_renew()
    calls = demo_data.samples_ingest()
    assert [call.file_name for call in calls] == [script["file"] for script in SCRIPTS]
    for call, script in zip(calls, SCRIPTS, strict=True):
        assert (call.agent, call.queue) == (Agent.objects.get(code=script["agent"]), Queue.objects.get(name=script["queue"]))
        assert call.tags == ["sample", "synthetic voices"]
        assert (call.channels, call.notice, call.status) == (["agent", "customer"], Notice.GIVEN, CallStatus.QUEUED)
        assert recording_path(call).read_bytes() == (ROOT / "samples" / script["file"]).read_bytes()
    assert Team.objects.get(name=demo_data.TEAM).calls.count() == len(SCRIPTS)
    assert nudged == [str(call.pk) for call in calls]


@pytest.mark.django_db(transaction=True)
def test_a_second_run_takes_in_nothing_twice_and_tries_a_failed_sample_again(media: Path, nudged: list[str]) -> None:
    demo_data.login_renew()
    first = demo_data.samples_ingest()
    Call.objects.filter(pk=first[0].pk).update(status=CallStatus.FAILED, reason="The disk was full.", attempts=3)
    Call.objects.filter(pk=first[1].pk).update(status=CallStatus.DONE)
    demo_data.login_renew()
    assert [call.pk for call in demo_data.samples_ingest()] == [call.pk for call in first]
    assert Call.objects.count() == len(SCRIPTS)
    assert [Call.objects.get(pk=call.pk).status for call in first] == [CallStatus.QUEUED, CallStatus.DONE, CallStatus.QUEUED]


@pytest.mark.django_db(transaction=True)
def test_a_sample_that_was_made_again_is_a_call_of_its_own(
    media: Path, nudged: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    demo_data.login_renew()
    demo_data.samples_ingest()
    with (tmp_path / "samples" / SCRIPTS[0]["file"]).open("ab") as audio:
        audio.write(b"\0")
    demo_data.samples_ingest()
    assert Call.objects.count() == len(SCRIPTS) + 1


@pytest.mark.django_db
def test_the_login_is_an_owner_with_a_new_password_each_time() -> None:
    first, second = demo_data.login_renew(), demo_data.login_renew()
    assert first.password != second.password
    assert (first.renewed, second.renewed) == (False, True)
    assert len(second.password) >= 16
    owner = User.objects.get(is_superuser=True)
    assert owner.username == second.username
    assert not owner.check_password(first.password)
    assert owner.check_password(second.password)


def test_without_the_sample_calls_the_demo_says_that_it_needs_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    with pytest.raises(FileNotFoundError, match="runs from a clone"):
        demo_data.samples_folder()
