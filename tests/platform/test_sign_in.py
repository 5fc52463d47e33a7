"""Passwords cannot be guessed at will, and nobody can be locked out by somebody else."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory

from callanalytics import sign_in
from worker import demo_data

if TYPE_CHECKING:
    from pytest_django import Settings

    from callanalytics.people.models import User
    from tests.factories import World

PASSWORD = "a long password"
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.4"


@pytest.fixture
def person(world: World, settings: Settings) -> User:
    settings.AXES_FAILURE_LIMIT = 3
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    world.owner.set_password(PASSWORD)
    world.owner.save()
    return world.owner


def tried(name: str, password: str, *, address: str = HERE, door: str = "/login/") -> Any:
    return Client(REMOTE_ADDR=address).post(door, {"username": name, "password": password})


def locked(name: str) -> None:
    assert [tried(name, "wrong").status_code for _ in range(3)] == [200, 200, 429]


def test_after_too_many_wrong_passwords_even_the_right_one_waits(person: User) -> None:
    locked("owner")
    answer = tried("owner", PASSWORD)
    assert answer.status_code == 429
    assert "Too many wrong passwords. Wait 15 minutes" in answer.content.decode()
    assert tried("owner", PASSWORD, door="/admin/login/").status_code == 429


def test_the_lock_ends_by_itself(person: User) -> None:
    locked("owner")
    for attempt in AccessAttempt.objects.all():
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=attempt.attempt_time - timedelta(minutes=16))
    assert tried("owner", PASSWORD).status_code == 302


def test_nobody_else_is_locked_out(person: User) -> None:
    locked("owner")
    assert tried("owner", PASSWORD, address=ELSEWHERE).status_code == 302
    assert tried("somebody else", "wrong").status_code == 200


def test_the_right_password_starts_the_count_again(person: User) -> None:
    for password, status in (("wrong", 200), ("wrong", 200), (PASSWORD, 302), ("wrong", 200), ("wrong", 200), (PASSWORD, 302)):
        assert tried("owner", password).status_code == status


def test_a_new_start_of_the_demo_forgets_wrong_passwords(person: User) -> None:
    demo_data.login_renew()
    locked("demo")
    login = demo_data.login_renew()
    assert tried("demo", login.password).status_code == 302


@pytest.mark.parametrize(("behind_proxy", "address"), [(False, HERE), (True, ELSEWHERE)])
def test_an_address_is_taken_from_our_proxy_alone(settings: Settings, behind_proxy: bool, address: str) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, behind_proxy=behind_proxy)
    request = RequestFactory().get("/login/", REMOTE_ADDR=HERE, HTTP_X_FORWARDED_FOR=f"203.0.113.9, {ELSEWHERE}")
    assert sign_in.client_address(request) == address


@pytest.mark.parametrize("given", ["", "unknown", "192.0.2.7:4711"])
def test_what_is_no_address_counts_as_none(person: User, settings: Settings, given: str) -> None:
    assert sign_in.client_address(RequestFactory().get("/login/", REMOTE_ADDR=given)) is None
    assert [tried("owner", "wrong", address=given).status_code for _ in range(3)] == [200, 200, 429]
