"""Twilio's recording status callback (https://www.twilio.com/docs/voice/api/recording#recordingstatuscallback), a form.

One call may have several recordings, so both ids make the call's. Which channel is whose depends on which leg was recorded; the callback
does not say, so whoever sets its address says it there, as in `?channels=customer,agent`.
"""

from __future__ import annotations

import base64
import hmac
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from callanalytics.api.adapters.values import NotTaken, known, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def call_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    status, where = text(payload, "RecordingStatus"), text(payload, "RecordingUrl")
    if status not in ("", "completed"):
        raise NotTaken(f"RecordingStatus is {status}: there is no recording to fetch.")
    if not where:
        raise NotTaken("There is no RecordingUrl.")
    ids = filter(None, (text(payload, "CallSid"), text(payload, "RecordingSid")))
    return known(url=_audio(where, text(payload, "RecordingChannels")), external_id="-".join(ids), started_at=_start(payload))


def is_signed(signature: str, url: str, form: Mapping[str, str], token: str, *, credentials: str = "") -> bool:
    """Whether Twilio sent this form to this address: HMAC-SHA1 over address and sorted fields (Twilio, "Validating requests").

    Twilio signs the address as it was given: with or without its port, and its user and password (`credentials`).
    """
    fields = "".join(name + form[name] for name in sorted(form))
    return any(hmac.compare_digest(_signature(each + fields, token).encode(), signature.encode()) for each in _spellings(url, credentials))


def _signature(signed: str, token: str) -> str:
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


def _spellings(url: str, credentials: str) -> Iterator[str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    for user in ("", f"{credentials}@") if credentials else ("",):
        for netloc in (parts.netloc, host, f"{host}:{port}"):
            yield urlunsplit(parts._replace(netloc=user + netloc))


def _audio(where: str, channels: str) -> str:
    bare = where if where.endswith((".wav", ".mp3")) else f"{where}.wav"
    return f"{bare}?RequestedChannels=2" if channels == "2" else bare


def _start(payload: Mapping[str, Any]) -> str:
    """RFC 2822, as in `Wed, 31 Jan 2024 14:05:00 +0000`."""
    try:
        return parsedate_to_datetime(text(payload, "RecordingStartTime")).isoformat()
    except ValueError:
        return ""
