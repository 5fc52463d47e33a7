"""Whether an endpoint's address is one that its kind can be sent to, and what of it may be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from callanalytics.egress import EgressError, Policy
from callanalytics.errors import ApplicationError
from callanalytics.routing import mail
from callanalytics.routing.models import EndpointKind

if TYPE_CHECKING:
    from callanalytics.routing.models import Endpoint

ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
LONGEST = 2000
MOST_ADDRESSES = 20


def address_checked(kind: str, address: str) -> str:
    """The address as it is kept. Raises ApplicationError, which tells nothing of what a name stands for."""
    address = address.strip()
    if not address or len(address) > LONGEST or not address.isprintable():
        raise _wrong(f"Give an address of at most {LONGEST} characters.")
    if kind == EndpointKind.EMAIL:
        return _mail_checked(address)
    if kind == EndpointKind.PAGERDUTY:
        return _key_checked(address)
    try:
        Policy.of(settings.EGRESS_ALLOW).check_receiver(address)
    except EgressError as error:
        raise _wrong(error.message) from error
    return address


def address_shown(endpoint: Endpoint) -> str:
    """The address for people to read: of what is itself a secret only where it goes and how it ends."""
    if endpoint.kind == EndpointKind.PAGERDUTY:
        return f"…{endpoint.address[-4:]}"
    if endpoint.kind == EndpointKind.SLACK:
        return f"{urlsplit(endpoint.address).netloc}/…{endpoint.address[-4:]}"
    return endpoint.address


def host(endpoint: Endpoint) -> str:
    """Where requests to it go."""
    if endpoint.kind == EndpointKind.EMAIL:
        return mail_server()
    return urlsplit(settings.PAGERDUTY_URL if endpoint.kind == EndpointKind.PAGERDUTY else endpoint.address).netloc


def mail_server() -> str:
    """Host and port; what else mail is given to in words; empty where there is nothing."""
    if not mail.is_set():
        return ""
    if settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    return "this machine"


def _mail_checked(address: str) -> str:
    if not mail.is_set():
        raise _wrong("There is no mail server; an operator names one in CALLANALYTICS_EMAIL_URL.")
    each = [part.strip() for part in address.split(",") if part.strip()]
    if not 0 < len(each) <= MOST_ADDRESSES:
        raise _wrong(f"Give one to {MOST_ADDRESSES} e-mail addresses, with commas between them.")
    for one in each:
        try:
            validate_email(one)
        except ValidationError as error:
            raise _wrong(f"{one!r} is no e-mail address.") from error
    return ", ".join(each)


def _key_checked(address: str) -> str:
    if not ROUTING_KEY.fullmatch(address):
        raise _wrong("A routing key has 32 letters and digits; PagerDuty shows it as the integration key of Events API v2.")
    return address


def _wrong(message: str) -> ApplicationError:
    return ApplicationError(message, field="address")
