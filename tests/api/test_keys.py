"""API keys: made by who may, shown once, good for their team and scopes, and not a day longer."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.keys import api_key_create, api_key_list, api_key_revoke, api_key_used
from callanalytics.people.models import ApiKey, Team, User
from callanalytics.people.scopes import Scope
from tests.api.test_calls import error, post
from tests.factories import ROLES, World, done_call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def key(world: World, *scopes: str, team: Team | None = None, **fields: Any) -> str:
    made = api_key_create(user=world.owner, name="CRM", scopes=scopes or Scope.values, team=team, **fields)
    return made.text


def client(text: str) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return made


def test_a_key_hands_a_call_in_and_reads_it(world: World) -> None:
    with_key = client(key(world, team=world.billing))
    made = post(with_key, external_id="c-1")
    assert made.status_code == 202
    assert made.json()["team"] == "Billing"
    assert [row["external_id"] for row in with_key.get("/api/v1/calls/").json()["results"]] == ["c-1"]


def test_a_key_says_who_it_is(world: World) -> None:
    told = client(key(world, "calls:read", team=world.billing)).get("/api/v1/").json()
    assert (told["name"], told["team"], told["scopes"], told["expires_at"]) == ("CRM", "Billing", ["calls:read"], None)


def test_nothing_that_is_kept_opens_anything(world: World) -> None:
    text = key(world)
    row = ApiKey.objects.values().get()
    own = User.objects.values().get(username__startswith="key-")
    secret = text.split("_", 2)[2]
    assert secret not in repr(row) + repr(own)
    assert len(secret) >= 40
    assert api_key_used(row["prefix"]) is None
    assert api_key_used(row["digest"]) is None
    assert not User.objects.get(id=own["id"]).has_usable_password()


def test_a_key_of_one_team_finds_nothing_of_another(world: World) -> None:
    call = done_call(world.sales)
    theirs, missing = client(key(world, team=world.billing)), "019abf2e-5d30-7a54-9a6f-3f2c8a1b0c11"
    answers = [theirs.get(f"/api/v1/calls/{call_id}/") for call_id in (call.id, missing)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert post(theirs, team="Sales").status_code == 400
    assert theirs.delete(f"/api/v1/calls/{call.id}/").status_code == 404


def test_a_key_of_a_team_reaches_the_teams_below_it(world: World) -> None:
    done_call(world.billing)
    assert len(client(key(world, team=world.care)).get("/api/v1/calls/").json()["results"]) == 1


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("calls:read", {"read"}), ("calls:write", {"write", "again", "object"}), ("calls:delete", {"delete"}), ("endpoints:read", set())],
)
def test_a_key_does_what_its_scopes_say_and_nothing_else(world: World, scope: str, allowed: set[str]) -> None:
    call = done_call(world.billing)
    with_key, address = client(key(world, scope)), f"/api/v1/calls/{call.id}/"
    asked = {
        "read": with_key.get("/api/v1/calls/"),
        "write": post(with_key),
        "again": with_key.post(f"{address}reanalyze/"),
        "object": with_key.post(f"{address}objection/", {"objected": True}, format="json"),
        "delete": with_key.delete(address),
    }
    assert {name for name, answer in asked.items() if answer.status_code < 300} == allowed
    refused = [answer for name, answer in asked.items() if name not in allowed]
    assert {answer.status_code for answer in refused} == {403}
    assert all("lacks the scope calls:" in error(answer)["detail"] for answer in refused)


def test_expired_revoked_and_unknown_keys_get_the_same_answer(world: World) -> None:
    expired, revoked = key(world, expires_at=timezone.now() + timedelta(days=1)), key(world)
    for text in (expired, revoked):
        assert client(text).get("/api/v1/calls/").status_code == 200
    ApiKey.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
    api_key_revoke(user=world.owner, key_id=ApiKey.objects.get(expires_at__isnull=True).id)
    answers = [client(text).get("/api/v1/calls/") for text in (expired, revoked, "ca_00000000_nobody", "", "\xff")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer["WWW-Authenticate"] for answer in answers} == {"Bearer"}


def test_the_last_use_is_known_and_not_written_at_every_request(world: World) -> None:
    text = key(world)
    assert ApiKey.objects.get().last_used_at is None
    client(text).get("/api/v1/calls/")
    used = ApiKey.objects.get().last_used_at
    assert used is not None
    client(text).get("/api/v1/calls/")
    assert ApiKey.objects.get().last_used_at == used


def test_supervisors_make_keys_for_their_teams_only(world: World) -> None:
    api_key_create(user=world.supervisor, name="CRM", scopes=["calls:read"], team=world.billing)
    for user, team in ((world.supervisor, None), (world.other_supervisor, world.billing), (world.reviewer, world.billing)):
        with pytest.raises(ApplicationError) as refused:
            api_key_create(user=user, name="CRM", scopes=["calls:read"], team=team)
        assert refused.value.code == "forbidden"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("role", ROLES)
def test_keys_are_listed_and_revoked_by_who_supervises_their_team(world: World, role: str) -> None:
    made = api_key_create(user=world.owner, name="CRM", scopes=["calls:read"], team=world.billing).key
    user, theirs = world.people()[role], role in ("owner", "supervisor")
    assert api_key_list(user=user).exists() == theirs
    if not theirs:
        with pytest.raises(NotFoundError):
            api_key_revoke(user=user, key_id=made.id)
    made.refresh_from_db()
    assert made.revoked_at is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["calls:everything"]}, "scopes"),
        ({"expires_at": timezone.now() - timedelta(hours=1)}, "expires_at"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(world: World, fields: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {"user": world.owner, "name": "CRM", "scopes": ["calls:read"], "team": None}
    with pytest.raises(ApplicationError) as refused:
        api_key_create(**good | fields)
    assert refused.value.field == named
    assert not User.objects.filter(username__startswith="key-").exists()


def test_the_command_shows_the_key_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("api_key", "CRM", "--scopes", "calls:read", "calls:write", "--team", "billing", "--days", "30")
    text = capsys.readouterr().out.strip()
    used = api_key_used(text)
    assert used is not None
    assert (used.membership.team, used.scopes) == (world.billing, ["calls:read", "calls:write"])
    assert used.expires_at is not None
    with pytest.raises(CommandError, match="no team 'Nobody'"):
        call_command("api_key", "CRM", "--team", "Nobody")


def test_too_many_requests_are_told_when_to_come_back(world: World, settings: Settings) -> None:
    settings.API_RATE = "3/min"
    first, second = client(key(world)), client(key(world))
    assert [first.get("/api/v1/calls/").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = first.get("/api/v1/calls/")
    assert error(refused)["code"] == "throttled"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert second.get("/api/v1/calls/").status_code == 200


def test_a_cache_that_is_down_stops_nobody(world: World, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    down = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": down}
    with caplog.at_level(logging.WARNING, logger="callanalytics.api.throttling"):
        assert post(client(key(world))).status_code == 202
    assert "the cache does not answer" in caplog.text
