"""Reads receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from callanalytics.people.selectors import access_for
from callanalytics.privacy.models import Erasure

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from callanalytics.people.models import User


def erasure_list(*, user: User | AnonymousUser) -> QuerySet[Erasure]:
    """Receipts of calls in teams that the user supervises, newest first."""
    access = access_for(user)
    found = Erasure.objects.select_related("team", "actor")
    return found.filter(Q() if access.is_owner else Q(team_id__in=access.supervised_team_ids))
