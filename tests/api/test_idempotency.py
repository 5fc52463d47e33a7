"""A request that is sent again with its Idempotency-Key is answered again, and done once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from callanalytics.api.models import IdempotentRequest
from callanalytics.calls.models import Call
from callanalytics.people.keys import api_key_create
from callanalytics.privacy.services import call_erase
from tests.api.test_calls import error, recording
from tests.api.test_keys import client, key
from tests.factories import World, done_call, tone_wav

if TYPE_CHECKING:
    from rest_framework.test import APIClient


def send(made: APIClient, idempotency_key: str = "k-1", audio: bytes | None = None, **fields: Any) -> Any:
    body = {"file": recording(audio), **fields}
    return made.post("/api/v1/calls/", body, format="multipart", headers={"Idempotency-Key": idempotency_key})


@pytest.fixture
def crm(world: World) -> APIClient:
    return client(key(world, team=world.billing))


def test_the_second_request_is_answered_as_the_first_was(crm: APIClient) -> None:
    first, second = send(crm, external_id="c-1"), send(crm, external_id="c-1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json()["id"] == first.json()["id"]
    assert second["Location"] == first["Location"]
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert Call.objects.count() == 1


@pytest.mark.parametrize("other", [{"external_id": "c-2"}, {"audio": tone_wav(hz=200)}])
def test_the_same_key_with_another_request_is_refused(crm: APIClient, other: dict[str, Any]) -> None:
    send(crm)
    response = send(crm, **other)
    assert response.status_code == 422
    assert error(response)["code"] == "unprocessable"
    assert Call.objects.count() == 1


def test_a_refused_request_may_be_mended_under_its_key(crm: APIClient) -> None:
    assert send(crm, language="English!").status_code == 400
    assert send(crm, language="en").status_code == 202


def test_keys_of_two_programs_have_nothing_to_do_with_each_other(crm: APIClient, world: World) -> None:
    other = client(api_key_create(user=world.owner, name="PBX", scopes=["calls:write"], team=world.sales).text)
    assert send(crm).json()["id"] != send(other).json()["id"]


def test_what_is_under_way_is_not_done_beside_itself(crm: APIClient) -> None:
    send(crm)
    IdempotentRequest.objects.update(subject="", status_code=None)
    response = send(crm)
    assert (response.status_code, error(response)["code"], response["Retry-After"]) == (409, "under_way", "1")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert send(crm).status_code == 200, "the first was broken off, and its call is there"


def test_a_key_is_forgotten_after_a_day(crm: APIClient) -> None:
    send(crm)
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send(crm, audio=tone_wav(hz=200)).status_code == 202
    assert IdempotentRequest.objects.count() == 1


def test_what_a_program_sent_that_never_comes_back_is_forgotten_too(crm: APIClient, world: World) -> None:
    IdempotentRequest.objects.create(user=world.owner, key="old", fingerprint="f", subject="s")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    send(crm)
    assert not IdempotentRequest.objects.filter(user=world.owner).exists()


def test_an_erased_call_leaves_nothing_to_answer_with(crm: APIClient, world: World) -> None:
    made = send(crm, customer_reference="K-9").json()
    call_erase(user=world.owner, call_id=made["id"], reason="asked for")
    assert "K-9" not in repr(list(IdempotentRequest.objects.values()))
    assert send(crm, customer_reference="K-9").status_code == 404


def test_a_call_is_analysed_again_once_for_a_request_that_is_sent_twice(crm: APIClient, world: World) -> None:
    call = done_call(world.billing)
    again = f"/api/v1/calls/{call.id}/reanalyze/"
    answers = [crm.post(again, headers={"Idempotency-Key": "k-1"}) for _ in "12"]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert error(crm.post(again, headers={"Idempotency-Key": "k-2"}))["status"] == 409
    assert (
        error(crm.post(f"/api/v1/calls/{done_call(world.billing, external_id='x').id}/reanalyze/", headers={"Idempotency-Key": "k-1"}))[
            "status"
        ]
        == 422
    )
    assert (
        crm.post(f"/api/v1/calls/{done_call(world.sales, external_id='y').id}/reanalyze/", headers={"Idempotency-Key": "k-3"}).status_code
        == 404
    )


def test_an_endless_key_is_refused(crm: APIClient) -> None:
    assert error(send(crm, "x" * 256))["fields"].keys() == {"Idempotency-Key"}
