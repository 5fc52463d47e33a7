"""What people do with endpoints: make, change, switch on and off, delete, give a new secret, try out."""

from __future__ import annotations

import base64
import dataclasses
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import TEST
from callanalytics.people.models import Team
from callanalytics.people.selectors import access_for
from callanalytics.routing.addresses import address_checked
from callanalytics.routing.deliveries import endpoint_disable
from callanalytics.routing.models import Delivery, DisabledReason, Endpoint, EndpointKind
from callanalytics.routing.opening import SEVERITIES
from callanalytics.routing.outbox import types_for
from callanalytics.routing.selectors import endpoint_get, supervisor_required

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from callanalytics.people.models import User

SECRET_BYTES = 32
"""Of the 24 to 64 that the Standard Webhooks specification allows."""
KEEP_HOURS, LONGEST_KEEP_HOURS = 24, 168
"""How long an old secret signs along unless told otherwise, and at most."""
LONGEST_DIGEST_MINUTES = 1440
NAME = 120
FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""When a test is due: before everything else."""


@dataclass(frozen=True, slots=True)
class EndpointDetails:
    """What a person says of an endpoint."""

    name: str
    kind: str
    address: str
    types: tuple[str, ...] = ()
    """Empty for all."""
    team_ids: frozenset[int] = frozenset()
    """Empty for all, which only an owner may say."""
    severity: str = ""
    ordered: bool = False
    digest_minutes: int = 15
    """Of e-mail only."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An endpoint with the secret that is shown this once; empty where its kind has none."""

    endpoint: Endpoint
    secret: str


def endpoint_create(*, user: User, details: EndpointDetails) -> Shown:
    """Raises ApplicationError `forbidden` or `invalid`."""
    supervisor_required(user)
    checked = _checked(user, details)
    secret = _new_secret() if checked.kind == EndpointKind.WEBHOOK else ""
    with transaction.atomic():
        endpoint = Endpoint.objects.create(**_columns(checked), secrets=[_kept(secret, None)] if secret else [], created_by=user)
        endpoint.teams.set(checked.team_ids)
        _record("endpoint.created", endpoint.id, user, {"name": endpoint.name, "kind": endpoint.kind})
    return Shown(endpoint, secret)


def endpoint_update(*, user: User, endpoint_id: UUID, details: EndpointDetails) -> Endpoint:
    """Everything but the kind may change. Raises NotFoundError, or ApplicationError `invalid`."""
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    if details.kind != endpoint.kind:
        raise ApplicationError("The kind of an endpoint stays; make another one.", field="kind")
    before = endpoint_details(endpoint)
    # An address that was fit when it was saved need not be looked up again to change a name.
    checked = _checked(user, details, known_address=endpoint.address)
    with transaction.atomic():
        Endpoint.objects.filter(id=endpoint.id).update(**_columns(checked))
        endpoint.teams.set(checked.team_ids)
        changed = sorted(field.name for field in dataclasses.fields(checked) if getattr(before, field.name) != getattr(checked, field.name))
        if changed:
            _record("endpoint.updated", endpoint.id, user, {"changed": changed})
    return endpoint_get(user=user, endpoint_id=endpoint_id)


def endpoint_details(endpoint: Endpoint) -> EndpointDetails:
    return EndpointDetails(
        name=endpoint.name,
        kind=endpoint.kind,
        address=endpoint.address,
        types=tuple(endpoint.types),
        team_ids=frozenset(team.id for team in endpoint.teams.all()),
        severity=endpoint.severity,
        ordered=endpoint.ordered,
        digest_minutes=endpoint.digest_minutes,
    )


def endpoint_switch(*, user: User, endpoint_id: UUID, enabled: bool) -> Endpoint:
    """On, forgetting what failed; or off. What waits for it is kept, and goes when it is on again. Raises NotFoundError."""
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    with transaction.atomic():
        if not enabled:
            endpoint_disable(endpoint.id, DisabledReason.BY_HAND, actor=user)
        elif Endpoint.objects.filter(id=endpoint.id, enabled=False).update(
            enabled=True, disabled_reason="", disabled_at=None, failures=0, failing_since=None, resting_until=None
        ):
            _record("endpoint.enabled", endpoint.id, user, {})
    return endpoint_get(user=user, endpoint_id=endpoint_id)


def endpoint_delete(*, user: User, endpoint_id: UUID) -> None:
    """With its deliveries and their log. Raises NotFoundError."""
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    with transaction.atomic():
        _record("endpoint.deleted", endpoint.id, user, {"name": endpoint.name, "kind": endpoint.kind})
        endpoint.delete()


def endpoint_rotate_secret(*, user: User, endpoint_id: UUID, keep_hours: int = KEEP_HOURS) -> Shown:
    """A new secret; the one before signs along for some hours, so that a receiver can change over. Raises as endpoint_update."""
    endpoint_get(user=user, endpoint_id=endpoint_id)
    if not 0 <= keep_hours <= LONGEST_KEEP_HOURS:
        raise ApplicationError(f"The old secret may sign along for 0 to {LONGEST_KEEP_HOURS} hours.", field="keep_hours")
    secret, now = _new_secret(), timezone.now()
    with transaction.atomic():
        endpoint = Endpoint.objects.select_for_update().get(id=endpoint_id)
        if endpoint.kind != EndpointKind.WEBHOOK:
            raise ApplicationError("Only plain webhooks are signed with a secret.", code="conflict")
        old = [
            _kept(each["secret"], min(_until(each) or now + timedelta(hours=keep_hours), now + timedelta(hours=keep_hours)))
            for each in endpoint.secrets
        ]
        endpoint.secrets = [*(each for each in old if (_until(each) or now) > now), _kept(secret, None)]
        endpoint.save(update_fields=["secrets"])
        _record("endpoint.secret_rotated", endpoint.id, user, {"keep_hours": keep_hours})
    return Shown(endpoint, secret)


def old_secret_until(endpoint: Endpoint) -> datetime | None:
    """Until when a secret that was replaced signs along; None where there is none."""
    return max(filter(None, map(_until, endpoint.secrets)), default=None)


def endpoint_test(*, user: User, endpoint_id: UUID) -> Delivery:
    """Put an event of its own before everything that waits for the endpoint; the relay sends it as any other, once.

    Raises NotFoundError, or ApplicationError `conflict` where the endpoint is off.
    """
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    if not endpoint.enabled:
        raise ApplicationError("The endpoint is off; switch it on to try it.", code="conflict")
    with transaction.atomic():
        event = _record(TEST, endpoint.id, user, {"endpoint": str(endpoint.id)})
        # Everything below is this endpoint's alone: no relay may hand the event to the others.
        Event.objects.filter(id=event.id).update(relayed_at=timezone.now())
        Endpoint.objects.filter(id=endpoint.id).update(resting_until=None)
        return Delivery.objects.create(endpoint=endpoint, event=event, subject=str(event.id), due_at=FIRST)


def _checked(user: User, details: EndpointDetails, known_address: str | None = None) -> EndpointDetails:
    """As it is kept. Raises ApplicationError that names the field."""
    name = details.name.strip()
    if not 0 < len(name) <= NAME:
        raise ApplicationError(f"Give it a name of at most {NAME} characters.", field="name")
    if details.kind not in EndpointKind.values:
        raise ApplicationError(f"The kind must be one of {', '.join(EndpointKind.values)}.", field="kind")
    _check_choice(details)
    address = details.address.strip()
    is_mail = details.kind == EndpointKind.EMAIL
    return dataclasses.replace(
        details,
        name=name,
        address=address if address == known_address else address_checked(details.kind, address),
        types=tuple(sorted(set(details.types))),
        team_ids=_teams_checked(user, details.team_ids),
        # An incident must open before it is closed; a mail gathers in order anyway.
        ordered=details.kind == EndpointKind.PAGERDUTY or (details.ordered and not is_mail),
        digest_minutes=details.digest_minutes if is_mail else 0,
    )


def _check_choice(details: EndpointDetails) -> None:
    known = types_for(details.kind)
    foreign = sorted(set(details.types) - set(known))
    if foreign:
        raise ApplicationError(f"This kind of endpoint gets no {foreign[0]!r}; known are {', '.join(known)}.", field="types")
    if details.severity not in ("", *SEVERITIES):
        raise ApplicationError(f"The severity must be {' or '.join(SEVERITIES)}, or empty for all.", field="severity")
    if not 0 <= details.digest_minutes <= LONGEST_DIGEST_MINUTES:
        raise ApplicationError(f"A mail may gather for 0 to {LONGEST_DIGEST_MINUTES} minutes.", field="digest_minutes")


def _teams_checked(user: User, team_ids: frozenset[int]) -> frozenset[int]:
    """One answer for a team of others and for one that there is not."""
    access = access_for(user)
    if access.is_owner:
        allowed = frozenset(Team.objects.filter(id__in=team_ids).values_list("id", flat=True))
    else:
        allowed = access.supervised_team_ids
        if not team_ids:
            raise ApplicationError("Choose the teams whose events it gets; only an owner may choose all.", field="teams")
    if not team_ids <= allowed:
        raise ApplicationError("There is no such team that you may choose.", field="teams")
    return team_ids


def _columns(details: EndpointDetails) -> dict[str, object]:
    return {
        field.name: list(details.types) if field.name == "types" else getattr(details, field.name)
        for field in dataclasses.fields(details)
        if field.name != "team_ids"
    }


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _kept(secret: str, until: datetime | None) -> dict[str, str | None]:
    return {"secret": secret, "until": until.isoformat() if until else None}


def _until(kept: Mapping[str, str | None]) -> datetime | None:
    return datetime.fromisoformat(kept["until"]) if kept["until"] else None


def _record(type: str, endpoint_id: UUID, user: User, payload: Mapping[str, object]) -> Event:
    return event_record(type=type, subject=endpoint_id, team=None, payload=payload, actor=user)
