"""Other systems tell of recordings at addresses of their own."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from rest_framework.test import APIClient

from callanalytics.api.adapters import twilio
from callanalytics.calls.models import Call
from callanalytics.env import S3, Twilio
from tests.api.test_adapters import CONNECT, PLACE, TWILIO
from tests.api.test_calls import error
from tests.api.test_keys import key

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from tests.factories import World

TOLD = "/api/v1/intake/"


@pytest.fixture
def client(api: Callable[[str], Any]) -> Any:
    return api("supervisor")


@pytest.fixture(autouse=True)
def s3(settings: Settings) -> None:
    settings.S3 = S3("key", "secret", "", "us-east-1", "")


def form(client: Any, where: str = f"{TOLD}twilio/", payload: dict[str, str] = TWILIO, **headers: str) -> Any:
    return client.generic("POST", where, urlencode(payload), content_type="application/x-www-form-urlencoded", **headers)


def test_twilios_callback_becomes_a_call_once(client: Any) -> None:
    made = form(client, f"{TOLD}twilio/?channels=customer,agent&queue=invoices")
    assert (made.status_code, made.json()["status"]) == (202, "accepted")
    call = Call.objects.get()
    assert (call.channels, str(call.queue), call.file_name) == (["customer", "agent"], "invoices", "RE222.wav")
    assert (form(client).status_code, Call.objects.count()) == (200, 1)


def test_a_callback_without_a_recording_is_answered_and_ignored(client: Any) -> None:
    told = form(client, payload=TWILIO | {"RecordingStatus": "in-progress"})
    assert (told.status_code, told.json()["status"], told.json()["id"]) == (200, "ignored", None)
    assert not Call.objects.exists()


def test_a_key_may_be_the_password_of_http_basic(world: World) -> None:
    def client(text: str) -> APIClient:
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Basic {base64.b64encode(f'twilio:{text}'.encode()).decode()}")
        return made

    good = key(world, "calls:write", team=world.billing)
    assert form(client(good)).status_code == 202
    assert Call.objects.get().team == world.billing
    refused = form(client(good + "x"))
    assert (error(refused)["status"], refused["WWW-Authenticate"]) == (401, 'Basic realm="callanalytics"')
    assert error(form(client(key(world, "calls:read"))))["status"] == 403
    nobody = APIClient()
    assert error(form(nobody))["status"] == 401
    for broken in ("Basic", "Basic ???", "Basic \xe9", "Basic " + base64.b64encode(b"\xff").decode()):
        nobody.credentials(HTTP_AUTHORIZATION=broken)
        assert error(form(nobody))["status"] == 401
    assert error(client(good).get("/api/v1/calls/"))["status"] == 401, "only where others call"


def test_with_a_token_only_what_twilio_signed_is_taken(client: Any, settings: Settings) -> None:
    settings.TWILIO, settings.PUBLIC_URL = Twilio("AC1", "t0ken"), "https://calls.example.org"
    where = f"{TOLD}twilio/?channels=customer,agent"
    signature = twilio._signature(settings.PUBLIC_URL + where + "".join(name + TWILIO[name] for name in sorted(TWILIO)), "t0ken")
    assert error(form(client, where))["status"] == 403
    assert error(form(client, where, HTTP_X_TWILIO_SIGNATURE="\xe9"))["status"] == 403
    assert error(form(client, where, TWILIO | {"CallSid": "CA9"}, HTTP_X_TWILIO_SIGNATURE=signature))["status"] == 403
    assert not Call.objects.exists()
    assert form(client, where, HTTP_X_TWILIO_SIGNATURE=signature).status_code == 202


def test_a_contact_record_of_connect_becomes_a_call(client: Any, world: World) -> None:
    assert client.post(f"{TOLD}amazon-connect/", CONNECT, format="json").status_code == 202
    call = Call.objects.get()
    assert (call.channels, call.direction, call.queue) == (["customer", "agent"], "inbound", world.queue)
    assert (call.source, call.external_id) == (f"s3://{CONNECT['Recordings'][3]['Location']}", CONNECT["ContactId"])


def test_an_export_of_genesys_and_a_file_of_asterisk_become_calls(client: Any) -> None:
    assert client.post(f"{TOLD}genesys/", {"location": PLACE, "metadata": {"mediaType": "Call"}}, format="json").status_code == 202
    url = "https://pbx.example.org/monitor/in-4930123-030555-20240131-140500-1706706300.5.wav"
    assert client.post(f"{TOLD}asterisk/", {"url": url}, format="json").status_code == 202
    assert {call.external_id for call in Call.objects.all()} == {"conv-1-rec-1", "1706706300.5"}


@pytest.mark.parametrize(
    ("where", "payload", "status"),
    [
        ("nobody/", {}, 404),
        ("asterisk/", [], 400),
        ("asterisk/?agnet=A17", {"url": "https://pbx.example.org/a.wav"}, 400),
        ("asterisk/?team=Sales", {"url": "https://pbx.example.org/a.wav"}, 400),
        ("asterisk/", {"url": "https://10.0.0.1/a.wav"}, 400),
        ("amazon-connect/", CONNECT | {"ConnectedToSystemTimestamp": "yesterday"}, 400),
        ("amazon-connect/", CONNECT | {"Recordings": [{"Location": "x"}], "Recording": None}, 400),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(client: Any, where: str, payload: Any, status: int) -> None:
    assert error(client.post(TOLD + where, payload, format="json"))["status"] == status
    assert not Call.objects.exists()


@pytest.mark.parametrize("role", ["reviewer", "agent"])
def test_only_supervisors_hand_calls_in(api: Callable[[str], Any], role: str) -> None:
    assert error(form(api(role)))["status"] == 403
