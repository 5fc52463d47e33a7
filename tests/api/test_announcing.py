"""A call by the address of its recording, through the API."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from callanalytics.calls.models import Call
from tests.api.test_calls import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.test import APIClient

    from tests.factories import World

URL = "https://pbx.example.org/2026/a.wav?sig=s3cret"


def announce(client: APIClient, url: Any = URL, **fields: Any) -> Any:
    return client.post("/api/v1/calls/", {"url": url, **fields}, format="json")


def test_a_call_is_taken_in_at_once_and_its_address_is_not_told(api: Callable[[str], APIClient]) -> None:
    made = announce(api("supervisor"), external_id="c-1", agent="A17", channels=["agent", "customer"], tags=["vip"], objected=True)
    assert made.status_code == 202
    told = made.json()
    assert (told["status"], told["source"], told["file_name"]) == ("queued", "https://pbx.example.org/2026/a.wav", "a.wav")
    assert (told["channels"], told["tags"], told["objected"]) == (["agent", "customer"], ["vip"], True)
    assert made["Location"] == told["url"]
    assert "s3cret" not in made.content.decode()
    assert Call.objects.get().source_url == URL


def test_the_same_one_again_is_there_already(api: Callable[[str], APIClient]) -> None:
    first, again = announce(api("supervisor")), announce(api("supervisor"))
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]


def test_another_address_for_one_external_id_says_which_call_has_it(api: Callable[[str], APIClient]) -> None:
    first = announce(api("supervisor"), external_id="c-1")
    told = error(announce(api("supervisor"), "https://pbx.example.org/b.wav", external_id="c-1"))
    assert (told["status"], told["subject"]) == (409, first.json()["id"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://pbx.example.org/a.wav"}, "url"),
        ({"url": "https://169.254.169.254/latest/meta-data/"}, "url"),
        ({"url": "https://[::1]/a.wav"}, "url"),
        ({"url": "s3://bucket/key"}, "url"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": 7}, "url"),
        ({"url": "https://a\x00b/"}, "url"),
        ({"agnet": "A17"}, "agnet"),
        ({"file": "x"}, "file"),
        ({"team": "Sales"}, "team"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"channels": ["agent", "robot"]}, "channels"),
    ],
)
def test_what_is_not_as_it_must_be_is_named(api: Callable[[str], APIClient], fields: dict[str, Any], field: str) -> None:
    told = error(announce(api("supervisor"), **fields))
    assert (told["status"], set(told["fields"])) == (400, {field})
    assert "169.254" not in told["detail"]
    assert not Call.objects.exists()


def test_an_inner_address_is_refused_with_its_reason_in_the_log_alone(
    api: Callable[[str], APIClient], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="callanalytics.egress"):
        refused = announce(api("supervisor"), "https://169.254.169.254/latest/meta-data/")
    assert error(refused)["status"] == 400
    assert "refused a request to 169.254.169.254 port 443" in caplog.text
    assert b"169.254" not in refused.content


@pytest.mark.parametrize("body", ["", "{", "[]", '"https://pbx.example.org/a.wav"', "null", b"\xff", "[" * 100_000, '{"url": NaN}'])
def test_a_body_that_is_no_call_is_refused(api: Callable[[str], Any], body: str | bytes) -> None:
    assert error(api("supervisor").generic("POST", "/api/v1/calls/", body, content_type="application/json"))["status"] == 400


@pytest.mark.parametrize(("fields", "field"), [({"direction": "\ud800"}, "direction"), ({"\ud800": "x"}, "?"), ({"url": "\ud800"}, "url")])
def test_half_of_a_character_is_refused_like_any_other_nonsense(api: Callable[[str], Any], fields: dict[str, str], field: str) -> None:
    body = json.dumps({"url": URL} | fields)
    told = error(api("supervisor").generic("POST", "/api/v1/calls/", body, content_type="application/json"))
    assert (told["status"], set(told["fields"])) == (400, {field})


@pytest.mark.parametrize("role", ["reviewer", "agent"])
def test_only_supervisors_announce_calls(api: Callable[[str], APIClient], world: World, role: str) -> None:
    assert error(announce(api(role)))["status"] == 403


def test_a_key_of_idempotency_makes_one_call_of_two_requests(api: Callable[[str], APIClient]) -> None:
    made = [
        api("supervisor").post("/api/v1/calls/", {"url": URL, "external_id": "c-1"}, format="json", HTTP_IDEMPOTENCY_KEY="k") for _ in "12"
    ]
    assert [each.status_code for each in made] == [202, 202]
    assert made[0].json()["id"] == made[1].json()["id"]
