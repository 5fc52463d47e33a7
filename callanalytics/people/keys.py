"""API keys: made, shown once, recognised, revoked."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.models import ApiKey, Membership, RoleChoice, Team, User
from callanalytics.people.scopes import Scope
from callanalytics.people.selectors import access_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet

MARK = "ca_"
"""Begins every key, so that scanners for leaked secrets can find one."""
NAME = 120
SECRET_BYTES = 32
"""So much chance needs no slow hash: nobody guesses 256 bits."""
USED_EVERY = timedelta(minutes=1)
"""A key's last use is written down no more often."""


@dataclass(frozen=True, slots=True)
class MadeKey:
    key: ApiKey
    text: str
    """Shown now or never: only its digest is kept."""


def api_key_create(
    *, user: User | None, name: str, scopes: Sequence[str], team: Team | None, expires_at: datetime | None = None
) -> MadeKey:
    """A key for one team and those below it, or without a team for all; `user` is None for the operator's command line.

    Raises ApplicationError: `invalid` field, `forbidden` team.
    """
    if user is not None:
        _check_rights(user, team)
    _check(name, scopes, expires_at)
    prefix = MARK + secrets.token_hex(4)
    text = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    with transaction.atomic():
        own = User.objects.create_user(f"key-{prefix.removeprefix(MARK)}", first_name=name.strip()[:150])
        role = RoleChoice.SUPERVISOR if team else RoleChoice.OWNER
        key = ApiKey.objects.create(
            name=name.strip(),
            membership=Membership.objects.create(user=own, role=role, team=team),
            prefix=prefix,
            digest=_digest(text),
            scopes=sorted(set(scopes)),
            created_by=user,
            expires_at=expires_at,
        )
    return MadeKey(key, text)


def api_key_revoke(*, user: User, key_id: UUID) -> None:
    """End a key now; one that is ended stays so. Raises NotFoundError."""
    if not api_key_list(user=user).filter(id=key_id).exists():
        raise NotFoundError("API key")
    ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=Now())


def api_key_list(*, user: User | AnonymousUser) -> QuerySet[ApiKey]:
    """Keys of the teams that the user supervises, newest first."""
    access = access_for(user)
    theirs = Q() if access.is_owner else Q(membership__team_id__in=access.supervised_team_ids)
    return ApiKey.objects.filter(theirs).select_related("membership__team", "created_by")


def api_key_used(text: str) -> ApiKey | None:
    """The key of this text, and that it was used; None where it is not known, expired or revoked."""
    good = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    found = ApiKey.objects.filter(good, digest=_digest(text), revoked_at__isnull=True, membership__user__is_active=True)
    key = found.select_related("membership__user", "membership__team").first()
    if key is not None and (key.last_used_at is None or timezone.now() - key.last_used_at > USED_EVERY):
        ApiKey.objects.filter(id=key.id).update(last_used_at=Now())
    return key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _check_rights(user: User, team: Team | None) -> None:
    access = access_for(user)
    if team is None and not access.is_owner:
        raise ApplicationError("Only an owner may make a key for all teams; choose one of yours.", code="forbidden", field="team")
    if team is not None and not access.can_supervise(team.id):
        raise ApplicationError(f"You may not make keys for the team {team}.", code="forbidden", field="team")


def _check(name: str, scopes: Sequence[str], expires_at: datetime | None) -> None:
    if not 0 < len(name.strip()) <= NAME:
        raise ApplicationError(f"Give the key a name of at most {NAME} characters that says who uses it.", field="name")
    if not scopes or not set(scopes) <= set(Scope.values):
        raise ApplicationError(f"Choose what the key may do, one or more of {', '.join(Scope.values)}.", field="scopes")
    if expires_at is not None and expires_at <= timezone.now():
        raise ApplicationError("The key would have expired already.", field="expires_at")
