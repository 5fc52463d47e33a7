"""A mail that gathers what an e-mail endpoint is due: text and HTML, over the mail server of the settings."""

from __future__ import annotations

from collections import Counter
from smtplib import SMTPException
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from callanalytics.routing.telling import told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callanalytics.events.models import Event
    from callanalytics.routing.models import Delivery, Endpoint

NOWHERE = "django.core.mail.backends.dummy.EmailBackend"


class MailError(Exception):
    """The mail was not taken; the message says why."""


def is_set() -> bool:
    """Whether there is a mail server to send over."""
    return bool(settings.EMAIL_BACKEND != NOWHERE)


def addresses(endpoint: Endpoint) -> list[str]:
    return [each.strip() for each in endpoint.address.split(",") if each.strip()]


def digest(deliveries: Sequence[Delivery], endpoint: Endpoint, link: Callable[[Event], str]) -> EmailMultiAlternatives:
    """One mail of all of them, the newest first."""
    entries = [told(delivery.event, link(delivery.event)) for delivery in reversed(deliveries)]
    context = {"endpoint": endpoint, "entries": entries, "url": settings.PUBLIC_URL}
    mail = EmailMultiAlternatives(
        subject(deliveries),
        render_to_string("routing/digest.txt", context),
        to=addresses(endpoint),
        headers={"Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("routing/digest.html", context), "text/html")
    return mail


def subject(deliveries: Sequence[Delivery]) -> str:
    """`callanalytics: 3 × flag raised, call failed`."""
    counts = Counter(delivery.event.type.replace(".", " ").replace("_", " ") for delivery in deliveries)
    return "callanalytics: " + ", ".join(type if count == 1 else f"{count} × {type}" for type, count in counts.most_common())


def mail_send(mail: EmailMultiAlternatives) -> None:
    """Raises MailError."""
    if not is_set():
        raise MailError("No mail server is set; an operator names one in CALLANALYTICS_EMAIL_URL.")
    try:
        mail.send()
    except (SMTPException, OSError) as error:
        raise MailError(_said(error)) from error


def _said(error: Exception) -> str:
    """What went wrong, without what a password or a name inside could be read from."""
    if isinstance(error, SMTPException) and error.args and isinstance(error.args[0], int):
        return f"The mail server refused it with {error.args[0]}."
    return f"The mail server did not take it ({type(error).__name__})."
