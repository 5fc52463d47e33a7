"""The pages of API keys: made by who supervises, shown once, revoked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from callanalytics.people.keys import api_key_create, api_key_used
from callanalytics.people.models import ApiKey

if TYPE_CHECKING:
    from tests.factories import World


def signed_in(world: World, role: str) -> Client:
    client = Client()
    client.force_login(world.people()[role])
    return client


def test_a_key_is_shown_once_and_works(world: World) -> None:
    client = signed_in(world, "supervisor")
    made = client.post(
        reverse("key-new"), {"name": "CRM", "team": world.billing.id, "lasts_days": 30, "scopes": ["calls:read", "calls:write"]}
    )
    text = re.search(r'value="(ca_[^"]+)"', made.content.decode())
    assert text is not None
    assert "no-store" in made["Cache-Control"]
    key = api_key_used(text[1])
    assert key is not None
    assert (key.name, key.membership.team, key.scopes) == ("CRM", world.billing, ["calls:read", "calls:write"])
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    listed = client.get(reverse("key-list")).content.decode()
    assert "CRM" in listed
    assert key.prefix in listed
    assert text[1] not in listed


def test_an_owner_may_leave_the_team_and_the_end_open_and_a_supervisor_not_the_team(world: World) -> None:
    fields = {"name": "CRM", "team": "", "lasts_days": 0, "scopes": ["calls:read"]}
    assert signed_in(world, "owner").post(reverse("key-new"), fields).status_code == 200
    assert ApiKey.objects.get().expires_at is None
    assert signed_in(world, "supervisor").post(reverse("key-new"), fields).status_code == 422
    foreign = fields | {"team": world.billing.id}
    assert signed_in(world, "other_supervisor").post(reverse("key-new"), foreign).status_code == 422
    assert ApiKey.objects.count() == 1


def test_a_form_without_a_scope_says_so(world: World) -> None:
    page = signed_in(world, "owner").post(reverse("key-new"), {"name": "CRM", "lasts_days": 30})
    assert page.status_code == 422
    assert "Choose what the key may do." in page.content.decode()


def test_a_revoked_key_is_refused_and_says_so_in_the_list(world: World) -> None:
    made = api_key_create(user=world.owner, name="CRM", scopes=["calls:read"], team=world.billing)
    client = signed_in(world, "supervisor")
    assert client.post(reverse("key-revoke", args=[made.key.id])).status_code == 302
    assert api_key_used(made.text) is None
    assert '<span class="chip">revoked</span>' in client.get(reverse("key-list")).content.decode()


@pytest.mark.parametrize(("role", "status"), [("reviewer", 403), ("agent", 403), ("outsider", 404)])
def test_nobody_else_sees_or_makes_keys(world: World, role: str, status: int) -> None:
    made = api_key_create(user=world.owner, name="CRM", scopes=["calls:read"], team=world.billing)
    client = signed_in(world, role)
    assert client.get(reverse("key-list")).status_code == status
    assert client.get(reverse("key-new")).status_code == status
    client.post(reverse("key-revoke", args=[made.key.id]))
    assert api_key_used(made.text) is not None


def test_another_teams_key_is_not_found(world: World) -> None:
    made = api_key_create(user=world.owner, name="CRM", scopes=["calls:read"], team=world.billing)
    client = signed_in(world, "other_supervisor")
    assert made.key.prefix not in client.get(reverse("key-list")).content.decode()
    assert client.post(reverse("key-revoke", args=[made.key.id])).status_code == 404
    assert api_key_used(made.text) is not None
