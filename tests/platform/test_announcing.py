"""A call comes in by the address of its recording: there at once, once, and with nothing secret to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from callanalytics.calls import addresses, files, lease
from callanalytics.calls.models import Call, CallStatus
from callanalytics.calls.selectors import call_get
from callanalytics.calls.services import NewCall, call_announce, call_fail, call_ingest, cleaner_copy_ask
from callanalytics.env import S3
from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.privacy.services import call_erase
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from callanalytics.calls.ingest import Ingested
    from callanalytics.people.models import User
    from tests.factories import World

URL = "https://pbx.example.org/recordings/2026/a%20call.wav"
SIGNED = f"{URL}?id=7&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=c0ffee"


def announce(world: World, url: str = URL, *, user: User | None = None, **details: Any) -> Ingested:
    new: dict[str, Any] = {"file_name": "", "team": world.billing} | details
    return call_announce(url, NewCall(**new), user=user)


def failed(call: Call) -> Call:
    assert call_fail(call.id, factories.claimed(call), "too old", permanent=True) == CallStatus.FAILED
    return Call.objects.get(id=call.id)


def test_the_call_is_there_at_once_without_its_recording(
    world: World, media: Path, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        call = announce(world, SIGNED, external_id="X1", user=world.supervisor).call
    assert (call.status, call.recording, call.file_name) == (CallStatus.QUEUED, None, "a call.wav")
    assert (call.source_url, call.source) == (SIGNED, URL)
    assert nudged == [str(call.id)]
    assert "c0ffee" not in str(Event.objects.get(type="call.received", subject=str(call.id)).payload)
    with pytest.raises(ValueError, match="not fetched yet"):
        files.recording_path(call)


def test_no_page_and_no_answer_shows_a_signature(world: World, client: Client) -> None:
    call = announce(world, SIGNED).call
    client.force_login(world.owner)
    shown = [client.get(reverse(name, args=[call.id])) for name in ("call-detail", "call-status", "api-call")]
    shown += [client.get(reverse("call-list")), client.get(reverse("api-calls"))]
    world.owner.is_staff = world.owner.is_superuser = True
    world.owner.save()
    shown.append(client.get(reverse("admin:calls_call_change", args=[call.id])))
    assert {page.status_code for page in shown} == {200}
    assert [page for page in shown if b"c0ffee" in page.content] == []
    assert URL in shown[0].content.decode().replace("<wbr>", "")


def test_a_call_that_could_not_be_fetched_says_what_to_do_now(world: World, client: Client) -> None:
    call = failed(announce(world, SIGNED).call)
    client.force_login(world.owner)
    html = client.get(reverse("call-detail", args=[call.id])).content.decode()
    assert "too old" in html
    assert "The same address with a newer signature may be handed in again" in html


def test_the_same_address_is_the_same_call_whatever_its_signature(world: World) -> None:
    first = announce(world, SIGNED)
    again = announce(world, SIGNED.replace("c0ffee", "decaf"))
    assert (again.call, first.created, again.created) == (first.call, True, False)
    assert again.call.source_url.endswith("decaf"), "the newer one is good for longer"
    assert announce(world, SIGNED.replace("id=7", "id=8")).created
    assert announce(world, SIGNED, team=world.sales).created


def test_an_external_id_names_one_address(world: World) -> None:
    first = announce(world, external_id="X1").call
    assert announce(world, external_id="X1").call == first
    with pytest.raises(ApplicationError, match="already has a call 'X1'") as caught:
        announce(world, URL + "?id=2", external_id="X1")
    assert caught.value.code == "conflict"
    assert announce(world, external_id="X2").call != first


def test_an_address_and_a_file_of_one_external_id_are_told_apart(world: World) -> None:
    announce(world, external_id="X1")
    with pytest.raises(ApplicationError, match=r"still to be fetched from https://pbx\.example\.org"):
        call_ingest(factories.audio(), NewCall(file_name="x.wav", team=world.billing, external_id="X1"), user=None)
    factories.queued_call(world.billing, external_id="X2")
    with pytest.raises(ApplicationError, match="with another recording"):
        announce(world, external_id="X2")


def test_a_call_that_could_not_be_fetched_is_tried_again_when_it_is_announced_again(world: World) -> None:
    call = failed(announce(world, SIGNED).call)
    again = announce(world, SIGNED.replace("c0ffee", "decaf")).call
    assert (again, again.status, again.attempts, again.reason) == (call, CallStatus.QUEUED, 0, "")
    assert again.source_url.endswith("decaf")


def test_an_objection_that_comes_with_the_second_announcement_counts(world: World) -> None:
    announce(world)
    assert announce(world, objected=True).call.objected


@pytest.mark.parametrize(
    "url",
    [
        "http://pbx.example.org/a.wav",
        "ftp://pbx.example.org/a.wav",
        "https://user:secret@pbx.example.org/a.wav",
        "https://127.0.0.1/a.wav",
        "https://[::1]/a.wav",
        "https://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "not an address",
        "https://pbx.example.org/" + "a" * addresses.LONGEST,
        "s3://bucket",
        "s3:///key",
    ],
)
def test_an_address_that_nothing_is_fetched_from_is_refused_by_its_field(world: World, url: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        announce(world, url)
    assert (caught.value.code, caught.value.field) == ("invalid", "url")
    assert "127.0" not in caught.value.message
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    ("buckets", "taken"),
    [
        ((), {"recordings/a.wav", "recordings/Billing/a.wav", "recordings/Billings/a.wav", "recordings2/a.wav"}),
        (("recordings",), {"recordings/a.wav", "recordings/Billing/a.wav", "recordings/Billings/a.wav"}),
        (("s3://recordings/{team}/",), {"recordings/Billing/a.wav"}),
        (("other", "recordings2"), {"recordings2/a.wav"}),
    ],
)
def test_a_team_names_objects_of_the_buckets_that_are_open_to_it(
    world: World, settings: Settings, buckets: tuple[str, ...], taken: set[str]
) -> None:
    settings.S3 = S3("key", "secret", "", "eu-central-1", "", buckets)
    found, refused = set(), set()
    for place in (
        *("recordings/a.wav", "recordings/Billing/a.wav", "recordings/Billings/a.wav", "recordings2/a.wav"),
        *("recordings/../secret/a.wav", "recordings/Billing/../Sales/a.wav", "recordings/./a.wav"),
    ):
        try:
            found.add(announce(world, f"s3://{place}").call.source.removeprefix("s3://"))
        except ApplicationError as error:
            refused.add(error.field)
    assert (found, refused) == (taken, {"url"})


def test_an_object_in_s3_needs_credentials(world: World, settings: Settings) -> None:
    with pytest.raises(ApplicationError, match="no credentials for S3"):
        announce(world, "s3://recordings/a b?.wav")
    settings.S3 = S3("key", "secret", "", "eu-central-1", "")
    call = announce(world, "s3://recordings/2026/a b?.wav").call
    assert (call.source, call.file_name) == ("s3://recordings/2026/a b?.wav", "a b?.wav")


@pytest.mark.parametrize("name", ["other_supervisor", "reviewer", "agent", "outsider"])
def test_only_who_supervises_the_team_announces_calls(world: World, name: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        announce(world, user=world.people()[name])
    assert caught.value.code == "forbidden"


def test_a_call_without_its_recording_is_erased_like_any_other(world: World, media: Path) -> None:
    call = announce(world, SIGNED).call
    receipt = call_erase(user=world.owner, call_id=call.id, reason="asked")
    assert (receipt.counts["files"], receipt.counts["audio_shared"]) == (0, False)
    assert not Call.objects.exists()


def test_no_cleaner_copy_is_made_of_a_recording_that_is_not_there(world: World) -> None:
    call = announce(world).call
    with pytest.raises(ApplicationError, match="not fetched yet") as caught:
        cleaner_copy_ask(user=world.owner, call_id=call.id)
    assert caught.value.code == "conflict"


def test_what_waits_for_its_recording_is_announced_to_the_workers_again(world: World, nudged: list[str]) -> None:
    call = announce(world).call
    Call.objects.filter(id=call.id).update(created_at="2026-01-01T00:00:00Z")
    lease.call_requeue_expired()
    assert call_get(user=world.owner, call_id=call.id).nudged_at is not None
