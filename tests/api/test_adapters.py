"""What other systems tell of a recording, in the shapes that they document."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest

from callanalytics.api.adapters import asterisk, connect, genesys, twilio
from callanalytics.api.adapters.values import NotTaken

TWILIO = {
    "AccountSid": "AC" + "0" * 32,
    "CallSid": "CA" + "1" * 32,
    "RecordingSid": "RE" + "2" * 32,
    "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC000/Recordings/RE222",
    "RecordingStatus": "completed",
    "RecordingDuration": "61",
    "RecordingChannels": "2",
    "RecordingStartTime": "Wed, 31 Jan 2024 14:05:00 +0000",
    "RecordingSource": "DialVerb",
    "RecordingTrack": "both",
}
CONNECT: dict[str, Any] = {
    "AWSContactTraceRecordFormatVersion": "2017-03-10",
    "Channel": "VOICE",
    "ContactId": "5a2f7f6e-0000-4f33-9c1d-3b1d2a1b0c11",
    "InitiationMethod": "INBOUND",
    "InitiationTimestamp": "2024-01-31T14:04:40Z",
    "ConnectedToSystemTimestamp": "2024-01-31T14:04:41Z",
    "Agent": {"Username": "kim", "ConnectedToAgentTimestamp": "2024-01-31T14:05:00Z"},
    "Queue": {"Name": "invoices", "EnqueueTimestamp": "2024-01-31T14:04:50Z"},
    "CustomerEndpoint": {"Address": "+4930123", "Type": "TELEPHONE_NUMBER"},
    "Recording": {"Location": "connect-abc/CallRecordings/2024/01/31/5a2f_20240131T14:05_UTC.wav", "Status": "AVAILABLE", "Type": "AUDIO"},
    "Recordings": [
        {"Location": "connect-abc/ivr.wav", "StorageType": "AMAZON_S3", "MediaStreamType": "AUDIO", "ParticipantType": "IVR"},
        {"Location": "arn:aws:kinesisvideo:x", "StorageType": "KINESIS_VIDEO_STREAM", "MediaStreamType": "AUDIO"},
        {"Location": "connect-abc/chat.json", "StorageType": "AMAZON_S3", "MediaStreamType": "CHAT"},
        {
            "Location": "connect-abc/CallRecordings/2024/01/31/5a2f_20240131T14:05_UTC.wav",
            "StorageType": "AMAZON_S3",
            "MediaStreamType": "AUDIO",
            "ParticipantType": "ALL",
            "Status": "AVAILABLE",
        },
    ],
}
PLACE = "s3://exports/org-1/year=2024/month=1/day=31/hour=14/conversation_id=conv-1/rec-1.opus"


def test_twilio_gives_both_channels_and_both_ids() -> None:
    assert twilio.call_fields(TWILIO) == {
        "url": "https://api.twilio.com/2010-04-01/Accounts/AC000/Recordings/RE222.wav?RequestedChannels=2",
        "external_id": f"{'CA' + '1' * 32}-{'RE' + '2' * 32}",
        "started_at": "2024-01-31T14:05:00+00:00",
    }


def test_twilio_of_one_channel_is_asked_for_none() -> None:
    fields = twilio.call_fields(TWILIO | {"RecordingChannels": "1", "RecordingStartTime": "soon"})
    assert fields["url"].endswith("/RE222.wav")
    assert "started_at" not in fields


@pytest.mark.parametrize("payload", [TWILIO | {"RecordingStatus": "in-progress"}, TWILIO | {"RecordingStatus": "absent"}, {}])
def test_twilio_without_a_recording_is_not_taken(payload: dict[str, Any]) -> None:
    with pytest.raises(NotTaken):
        twilio.call_fields(payload)


def test_twilios_signature_is_that_of_its_documentation() -> None:
    """Of the worked example under "Validating requests": address, form and token as they stand there."""
    form = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675310", "Digits": "1234", "From": "+14158675310", "To": "+18005551212"}
    url, token, signature = "https://mycompany.com/myapp.php?foo=1&bar=2", "12345", "GvWf1cFY/Q7PnoempGyD5oXAezc="
    assert twilio.is_signed(signature, url, form, token)
    for other in (signature.lower(), "", "GvWf1cFY/Q7PnoempGyD5oXAezd="):
        assert not twilio.is_signed(other, url, form, token)
    assert not twilio.is_signed(signature, url, form | {"Digits": "1235"}, token)
    assert not twilio.is_signed(signature, url, form, "12346")


@pytest.mark.parametrize("spelling", ["https://calls.example.org:443/x?a=1", "https://user:ca_key@calls.example.org/x?a=1"])
def test_twilio_may_sign_the_address_with_its_port_or_its_password(spelling: str) -> None:
    signature = twilio._signature(f"{spelling}CallSidCA1", "token")
    assert twilio.is_signed(signature, "https://calls.example.org/x?a=1", {"CallSid": "CA1"}, "token", credentials="user:ca_key")


def test_connect_gives_the_recording_with_the_agent_and_who_is_on_which_channel() -> None:
    assert connect.call_fields(CONNECT) == {
        "url": "s3://connect-abc/CallRecordings/2024/01/31/5a2f_20240131T14:05_UTC.wav",
        "external_id": CONNECT["ContactId"],
        "agent": "kim",
        "queue": "invoices",
        "direction": "inbound",
        "started_at": "2024-01-31T14:04:41Z",
        "channels": "customer,agent",
    }


@pytest.mark.parametrize(("method", "direction"), [("OUTBOUND", "outbound"), ("CALLBACK", "outbound"), ("TRANSFER", None), ("API", None)])
def test_connect_tells_who_called_whom_where_it_knows(method: str, direction: str | None) -> None:
    assert connect.call_fields(CONNECT | {"InitiationMethod": method}).get("direction") == direction


def test_an_older_record_of_connect_has_one_recording_and_maybe_nobody() -> None:
    fields = connect.call_fields({name: value for name, value in CONNECT.items() if name != "Recordings"} | {"Agent": None, "Queue": None})
    assert fields["url"].startswith("s3://connect-abc/CallRecordings/")
    assert not {"agent", "queue"} & set(fields)


@pytest.mark.parametrize(
    "changes", [{"Channel": "CHAT"}, {"Recordings": [], "Recording": None}, {"Recordings": None, "Recording": {"Status": "DELETED"}}]
)
def test_a_contact_without_a_voice_recording_is_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(NotTaken):
        connect.call_fields(CONNECT | changes)


def test_genesys_tells_by_path_and_metadata() -> None:
    metadata = {"mediaType": "Call", "mediaSubtype": "Trunk", "provider": "edge", "userIds": ["u-1", "u-2"], "initialDirection": "Inbound"}
    assert genesys.call_fields({"location": PLACE, "metadata": metadata}) == {
        "url": PLACE,
        "external_id": "conv-1-rec-1",
        "agent": "u-1",
        "direction": "inbound",
        "started_at": "2024-01-31T14:00:00+00:00",
    }


@pytest.mark.parametrize("metadata", [{"mediaType": "Chat"}, {"mediaType": "Call", "mediaSubtype": "Screen"}])
def test_genesys_of_no_voice_is_not_taken(metadata: dict[str, str]) -> None:
    with pytest.raises(NotTaken):
        genesys.call_fields({"location": PLACE, "metadata": metadata})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("in-4930123-030555-20240131-140500-1706706300.5.wav", {"direction": "inbound"}),
        ("out-030555-201-20240131-140500-1706706300.5.wav", {"direction": "outbound", "agent": "201"}),
        ("exten-201-030555-20240131-140500-1706706300.5.WAV", {"agent": "201"}),
        ("q-6000-030555-20240131-140500-1706706300.5.wav", {"direction": "inbound", "queue": "6000"}),
    ],
)
def test_a_name_of_freepbx_tells_who_and_when_and_no_number_of_the_customer(name: str, fields: dict[str, str]) -> None:
    told = asterisk.name_fields(name)
    assert told == fields | {"external_id": "1706706300.5", "started_at": "2024-01-31T13:05:00+00:00"}
    assert "030555" not in str(told)


def test_a_pattern_of_ones_own_names_the_fields() -> None:
    pattern = re.compile(r"(?P<agent>\w+)_(?P<queue>\w+)_(?P<external_id>[0-9a-f]+)_(?P<date>\d{8})\.wav")
    assert asterisk.name_fields("kim_billing_0af3_20240131.wav", pattern) == {
        "agent": "kim",
        "queue": "billing",
        "external_id": "0af3",
        "started_at": "2024-01-31T00:00:00+00:00",
    }


@pytest.mark.parametrize("name", ["meeting.wav", "in-1-2-20240131-140500.wav", ""])
def test_a_name_that_does_not_match_says_nothing(name: str) -> None:
    assert asterisk.name_fields(name) == {}


def test_a_date_that_there_is_not_is_no_date() -> None:
    assert asterisk.name_fields("20249931.wav", re.compile(r"(?P<date>\d{8})\.wav")) == {}


@pytest.mark.parametrize("adapt", [twilio.call_fields, connect.call_fields, genesys.call_fields, asterisk.call_fields])
@pytest.mark.parametrize("value", [None, 7, [], {}, [None], {"x": []}, "x"])
def test_payloads_of_another_shape_raise_nothing_else(adapt: Any, value: Any) -> None:
    names = {*TWILIO, *CONNECT, "location", "metadata", "url"}
    for payload in ({}, *({name: value} for name in names)):
        with contextlib.suppress(NotTaken):
            assert isinstance(adapt(payload), dict)
