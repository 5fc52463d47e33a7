"""Settings come from the environment, are safe in production, and say what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.urls import reverse

from callanalytics import checks, env, readiness, uploads, weights
from callanalytics.env import BASE_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

    from tests.factories import World

PRODUCTION = {
    "DATABASE_URL": "postgres://app@db.example/app",
    "CELERY_BROKER_URL": "redis://redis.example/0",
    "REDIS_URL": "redis://redis.example/1",
    "CALLANALYTICS_SECRET_KEY": "k3" * 40 + "!aZ_9",
    "CALLANALYTICS_ALLOWED_HOSTS": "calls.example.org",
}


def read(**values: str) -> env.Environment:
    given = environ.Env()
    given.ENVIRON = values
    return env.read(given)


def manage(home: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    return python(home, "manage.py", *arguments, **values)


def python(home: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "CALLANALYTICS_HOME": str(home)} | values
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=BASE_DIR, env=clean, capture_output=True, text=True, timeout=120, check=False)


def test_nothing_set_gives_an_embedded_installation_that_is_not_in_debug(tmp_path: Path) -> None:
    found = read(CALLANALYTICS_HOME=str(tmp_path))
    assert (found.embedded, found.debug, found.https, found.accept_noncommercial_weights) == (True, False, False, False)
    assert found.database["NAME"] == str(tmp_path / "callanalytics.sqlite3")
    assert (found.broker_url, found.media_root) == ("filesystem://", tmp_path / "media")


@pytest.mark.parametrize(("values", "told"), [({}, False), (PRODUCTION, True)])
def test_only_production_is_told_that_its_static_files_were_never_collected(tmp_path: Path, values: dict[str, str], told: bool) -> None:
    done = manage(tmp_path, "shell", "-c", "from callanalytics import wsgi; print('served')", **values)
    assert "served" in done.stdout, done.stderr
    assert ("No directory at" in done.stderr) is told


def test_a_database_url_makes_it_production(tmp_path: Path) -> None:
    found = read(CALLANALYTICS_HOME=str(tmp_path), **PRODUCTION)
    assert (found.embedded, found.https, found.allowed_hosts) == (False, True, ["calls.example.org"])
    assert found.database["ENGINE"] == "django.db.backends.postgresql"


def test_the_key_is_made_once_kept_and_nobody_elses_to_read(tmp_path: Path) -> None:
    first, second = (read(CALLANALYTICS_HOME=str(tmp_path)).secret_key for _ in range(2))
    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["secret_key"]


def test_a_value_of_the_wrong_kind_fails_loudly(tmp_path: Path) -> None:
    with pytest.raises((ImproperlyConfigured, ValueError)):
        read(CALLANALYTICS_HOME=str(tmp_path), CALLANALYTICS_MAX_UPLOAD_MB="plenty")


def test_production_settings_pass_djangos_deployment_checks(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert "WARNINGS" not in done.stderr


def test_sqlite_with_a_broker_for_many_machines_is_warned_of(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://redis/0"
    assert [message.id for message in checks.sqlite_alone()] == ["callanalytics.W001"]
    settings.CELERY_BROKER_URL = "filesystem://"
    assert checks.sqlite_alone() == []


def test_heads_that_may_not_be_used_commercially_are_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, free in (("tone-base", False), ("wording-minilm", True)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"license": "L-" + name, "commercial_use": free}))
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = False
    (off,) = checks.weights_licence()
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = True
    (on,) = checks.weights_licence()
    assert (off.id, on.id) == ("callanalytics.I001", "callanalytics.I002")
    assert "tone-base (L-tone-base)" in off.msg
    assert "wording" not in off.msg
    assert weights.missing() is None


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_server_that_starts_says_in_one_line_what_the_licence_of_the_weights_does(tmp_path: Path, door: str) -> None:
    done = python(tmp_path, "-c", f"import callanalytics.{door}")
    assert done.stderr.count("exclude commercial use") == len(done.stderr.splitlines()) == 1


def test_other_commands_say_nothing_of_it(tmp_path: Path) -> None:
    done = manage(tmp_path, "migrate", "--verbosity", "0")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_analysis_configuration_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.ANALYSIS_CONFIG = tmp_path / "analysis.toml"
    settings.ANALYSIS_CONFIG.write_text("[segments]\nrize = 0.7\n")
    (found,) = checks.analysis_config_readable()
    assert "rize" in found.msg
    settings.ANALYSIS_CONFIG.write_text("[segments]\nrise = 0.7\n")
    assert checks.analysis_config_readable() == []


def test_a_media_folder_that_is_not_there_is_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "nowhere"
    assert [message.id for message in checks.media_writable()] == ["callanalytics.E001"]


@pytest.mark.parametrize(
    ("rate", "allow", "wrong"),
    [
        ("100/s", ["crm.internal:8443"], []),
        ("2000/min", [], []),
        ("fast", [], ["callanalytics.E004"]),
        ("0/s", ["10.0.0.0/33"], ["callanalytics.E003", "callanalytics.E004"]),
    ],
)
def test_a_rate_or_an_allow_list_that_is_none_is_said_before_a_request_fails(
    settings: Settings, rate: str, allow: list[str], wrong: list[str]
) -> None:
    settings.API_RATE, settings.EGRESS_ALLOW = rate, allow
    assert [message.id for message in checks.network_settings_readable()] == wrong


@pytest.mark.django_db
def test_health_is_answered_to_anyone_under_any_name(client: Client) -> None:
    answer = client.get("/healthz", headers={"host": "10.0.0.7"})
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readiness_names_each_thing_that_is_missing(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    settings.ANALYSIS_CONFIG = tmp_path / "site.toml"
    settings.ANALYSIS_CONFIG.write_text('[transcribe]\nweights = "large-v3"\n')
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    problems = answer.json()["problems"]
    assert len(problems) == 3
    assert "broker" in problems[0]
    assert "tone and wording" in problems[1]
    assert "large-v3" in problems[2]


@pytest.mark.django_db
def test_an_installation_that_has_everything_is_ready(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CELERY_BROKER_URL, settings.BROKER_FOLDER = "filesystem://", tmp_path
    for name in ("tone", "wording"):
        (tmp_path / f"{name}.json").write_text("{}")
    monkeypatch.setattr(weights, "folder", lambda: tmp_path)
    assert client.get("/readyz").json() == {"ready": True, "problems": []}
    assert readiness.problems() == []


def test_a_database_without_its_tables_is_not_ready(tmp_path: Path) -> None:
    code = "import django; django.setup(); from callanalytics import readiness; print(readiness.problems())"
    done = manage(tmp_path, "shell", "-c", code)
    assert "callanalytics migrate" in done.stdout, done.stderr


def test_an_upload_past_the_limit_is_refused_before_it_is_read(client: Client, settings: Settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    page = client.generic("POST", "/calls/upload/", b"x", CONTENT_LENGTH="5000000000")
    assert (page.status_code, page["Content-Type"]) == (413, "text/html; charset=utf-8")
    html = page.content.decode()
    assert "The upload is 4.7\xa0GB; at most 1000\xa0bytes are taken at a time" in html
    assert "Send files one by one, or compress them" in html
    assert 'href="/calls/upload/"' in html
    api = client.generic("POST", "/api/v1/calls/", b"x", CONTENT_LENGTH="5000000000")
    assert (api.status_code, api.json()["type"]) == (413, "urn:callanalytics:problem:too_large")


def test_an_upload_that_the_disk_cannot_hold_twice_is_refused_before_it_is_read(
    client: Client, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(uploads, "_free", lambda: 15_000_000)
    answers = {
        size: client.generic("POST", "/api/v1/calls/", b"x", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(size))
        for size in (7_000_000, 8_000_000)
    }
    assert {size: answer.status_code for size, answer in answers.items()} == {7_000_000: 401, 8_000_000: 507}
    assert answers[8_000_000].json()["type"] == "urn:callanalytics:problem:no_space"
    page = client.generic("POST", "/calls/upload/", b"x", CONTENT_LENGTH="8000000")
    assert page.status_code == 507
    assert "There is no room for this upload" in page.content.decode()
    assert client.get("/login/").status_code == 200


def test_the_smallest_upload_is_refused_on_a_full_disk_and_a_form_without_files_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    monkeypatch.setattr(uploads, "_free", lambda: 0)
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--x--\r\n'
    answer = client.generic("POST", "/api/v1/calls/", body, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:callanalytics:problem:no_space")
    signed_in = client.generic("POST", "/login/", b"username=a", content_type="application/x-www-form-urlencoded")
    assert signed_in.status_code == 200


@pytest.mark.django_db
def test_pages_need_a_login_and_forbid_foreign_and_inline_scripts(client: Client) -> None:
    assert client.get("/").headers["Location"].startswith(reverse("login"))
    policy = client.get(reverse("login")).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["plotly/plotly.min.js", "django_htmx/htmx-2.min.js"])
def test_scripts_of_others_are_served_from_their_packages(client: Client, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert answer.status_code == 200
    assert "javascript" in answer.headers["Content-Type"]


def test_production_collects_hashed_compressed_copies(tmp_path: Path) -> None:
    done = manage(tmp_path, "collectstatic", "--noinput", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in (tmp_path / "static" / "plotly").iterdir()]
    assert any(name.startswith("plotly.min.") and name.endswith(".js.gz") for name in names)
    assert not (tmp_path / "static" / "plotly" / "datasets").exists()


def test_the_models_and_their_migrations_agree(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_admin_shows_calls_and_receipts_and_changes_none(client: Client, world: World) -> None:
    from callanalytics.privacy.services import call_erase
    from tests import factories

    call, erased = factories.done_call(world.billing), factories.done_call(world.billing)
    receipt = call_erase(user=world.supervisor, call_id=erased.id, reason="the caller asked us to")
    client.force_login(factories.user("root", is_superuser=True, is_staff=True))
    assert client.get("/admin/calls/call/").status_code == 200
    assert client.get(f"/admin/calls/call/{call.id}/change/").status_code == 200
    assert client.post(f"/admin/calls/call/{call.id}/delete/").status_code == 403
    assert "the caller asked us to" in client.get("/admin/privacy/erasure/").content.decode()
    assert client.post(f"/admin/privacy/erasure/{receipt.id}/delete/").status_code == 403
    assert client.get("/admin/people/queue/").status_code == 200
