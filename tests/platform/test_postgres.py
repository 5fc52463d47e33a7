"""Claims, identity and migrations on a real PostgreSQL, where transactions really run side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg2  # type: ignore[import-untyped]
import pytest
from psycopg2 import sql

from callanalytics.env import BASE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.services

SERVER = os.environ.get("CALLANALYTICS_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432")

RACE = """
import io, sys, threading, time
from uuid import UUID, uuid4
import django; django.setup()
from django.db import connection
from callanalytics.calls import queueing
from callanalytics.calls.services import NewCall, call_claim, call_ingest
from callanalytics.people.models import Team
queueing._send = lambda *a: None
team, gate = Team.objects.get(name="T"), threading.Barrier(8)
def run(work):
    gate.wait()
    try:
        print(work(), flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    finally:
        connection.close()
def side_by_side(work):
    threads = [threading.Thread(target=run, args=(work,)) for _ in range(8)]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
"""


def execute(statement: sql.Composed) -> None:
    connection = psycopg2.connect(SERVER, connect_timeout=3)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a database of our own, dropped afterwards."""
    name = f"callanalytics_{uuid4().hex[:12]}"
    try:
        execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg2.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {SERVER}: {str(error).splitlines()[0]}")
    yield f"{SERVER}/{name}"
    execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def manage(home: Path, database: str, *arguments: str) -> str:
    clean = {"PATH": os.environ["PATH"], "CALLANALYTICS_HOME": str(home), "DATABASE_URL": database, "CALLANALYTICS_HTTPS": "off"}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=BASE_DIR, env=clean, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, database: str) -> Path:
    home = tmp_path_factory.mktemp("home")
    manage(home, database, "migrate")
    manage(home, database, "shell", "-c", "from callanalytics.people.models import Team; Team.objects.create(name='T')")
    return home


def lines(home: Path, database: str, script: str) -> list[str]:
    return [line for line in manage(home, database, "shell", "-c", RACE + script).splitlines() if line and "imported" not in line]


def test_eight_workers_claim_one_call_once(home: Path, database: str) -> None:
    script = """
call = call_ingest(io.BytesIO(b"one call"), NewCall(file_name="a.wav", team=team), user=None).call
side_by_side(lambda: call_claim(call.id, uuid4()) is not None)
"""
    assert Counter(lines(home, database, script)) == {"True": 1, "False": 7}


def test_a_delivery_is_due_at_once_by_the_clock_of_the_database(home: Path, database: str) -> None:
    """The relay's machine is ten minutes ahead."""
    script = """
from datetime import timedelta
from unittest import mock
from django.db import transaction
from django.utils import timezone
from callanalytics.events.services import event_record
from callanalytics.routing.deliveries import Tried, deliveries_claim, deliveries_settle, endpoints_ready
from callanalytics.routing.models import Endpoint
from callanalytics.routing.outbox import events_relay
own = Endpoint.objects.create(name="CRM", kind="webhook", address="https://crm.example/", types=["call.failed"])
with transaction.atomic():
    event_record(type="call.failed", subject="c1", team=None, payload={"call": "c1"})
ahead = timezone.now() + timedelta(minutes=10)
with mock.patch("django.utils.timezone.now", lambda: ahead):
    events_relay()
    print(endpoints_ready() == [own])
    (claimed,) = deliveries_claim(own, 1)
    deliveries_settle([claimed], Tried(False, 1, 500))
print(own.deliveries.get().due_at < timezone.now() + timedelta(seconds=10))
own.delete()
"""
    assert lines(home, database, script) == ["True", "True"]


def test_eight_uploads_of_one_file_are_one_call(home: Path, database: str) -> None:
    script = """
side_by_side(lambda: call_ingest(io.BytesIO(b"same bytes"), NewCall(file_name="a.wav", team=team), user=None).created)
"""
    assert Counter(lines(home, database, script)) == {"True": 1, "False": 7}


def test_eight_different_files_with_one_external_id_are_one_call_and_seven_conflicts(home: Path, database: str) -> None:
    script = """
side_by_side(lambda: call_ingest(io.BytesIO(uuid4().bytes), NewCall(file_name="a.wav", team=team, external_id="X"), user=None).created)
"""
    found = Counter(line.split()[0] for line in lines(home, database, script))
    assert found == {"True": 1, "ApplicationError": 7}
    kept = [path for path in (home / "media" / "recordings").rglob("*") if path.is_file()]
    assert len(kept) == int(lines(home, database, "from callanalytics.calls.models import *; print(Recording.objects.count())")[0])


def test_of_eight_requests_with_one_idempotency_key_one_is_done(home: Path, database: str) -> None:
    script = """
from rest_framework.test import APIClient
from callanalytics.people.keys import api_key_create
text = api_key_create(user=None, name="CRM", scopes=["calls:write"], team=team).text
def send():
    client = APIClient(headers={"Host": "localhost", "Authorization": f"Bearer {text}", "Idempotency-Key": "k-1"})
    answer = client.post("/api/v1/calls/", {"file": io.BytesIO(b"eight times")}, format="multipart")
    return answer.status_code, answer.json().get("id")
side_by_side(send)
"""
    found = lines(home, database, script)
    assert len(found) == 8
    assert {line[:5] for line in found} <= {"(202,", "(409,"}
    assert len({line for line in found if line.startswith("(202,")}) == 1


def test_an_analysis_is_stored_and_a_call_erased(home: Path, database: str) -> None:
    script = """
sys.path.insert(0, ".")
from tests import factories
from callanalytics.calls.models import Call, Flag
from callanalytics.calls.overview import overview
from callanalytics.calls.services import call_objection_set
from callanalytics.privacy.services import call_erase
from callanalytics.review.services import blind_sample_draw, verdict_record
root = factories.user("root", is_superuser=True)
call = factories.done_call(team)
verdict_record(user=root, flag_id=Flag.objects.get(call=call).id, answer="confirm")
blind_sample_draw(user=root)
print(overview(user=root).frustration.flagged)
print(call_objection_set(user=root, call_id=call.id, objected=True).status)
print(call_erase(user=root, call_id=call.id, reason="x").counts["utterances"], Call.objects.filter(id=call.id).exists())
"""
    assert lines(home, database, script) == ["1", "queued", "3 False"]


def test_of_eight_fits_at_once_one_is_active_and_of_eight_undos_one_is_done(home: Path, database: str) -> None:
    script = """
from types import SimpleNamespace
from analysis.config import FuseConfig
from callanalytics.review.calibration import calibration_store, calibration_undo
refit = SimpleNamespace(after=FuseConfig(), replaces=None, metrics={}, collected=SimpleNamespace(rows=[0] * 50))
side_by_side(lambda: calibration_store(refit).active)
side_by_side(lambda: calibration_undo())
"""
    found = lines(home, database, script)
    assert Counter(line.split()[0] for line in found[:8]) == {"True": 1, "ApplicationError": 7}
    assert Counter(line.split()[0] for line in found[8:]) == {"None": 1, "ApplicationError": 7}


HANDOVERS = """
sys.path.insert(0, ".")
from django.utils import timezone
from datetime import timedelta
from tests import factories
from callanalytics.events.models import Event
from callanalytics.people.models import User
from callanalytics.routing.handovers import handover_claim
from callanalytics.routing.models import Handover, RoutingPlan, Suppression
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.paging import handovers_sweep
from callanalytics.routing.plans import NewStep, plan_save
Event.objects.update(relayed_at=timezone.now())
root = User.objects.filter(username="boss").first() or factories.user("boss", is_superuser=True)
plan_save(user=root, team=None, values={"debounce_seconds": 0}, steps=[NewStep(10), NewStep(10)])
def of(customer):
    return Handover.objects.filter(customer_reference=customer)
def told(type, customer):
    return Event.objects.filter(type=type, subject__in=[str(found.flag_id) for found in of(customer)]).count()
def flagged(customer):
    return factories.analyzed(factories.queued_call(team, io.BytesIO(uuid4().bytes), customer_reference=customer))
def only_flags():
    Event.objects.exclude(type="flag.raised").filter(relayed_at=None).update(relayed_at=timezone.now())
"""


def test_eight_calls_of_one_customer_at_eight_relays_page_once(home: Path, database: str) -> None:
    script = """
for _ in range(8):
    flagged("K 1")
only_flags()
side_by_side(lambda: events_relay(1))
print(of("K 1").count(), told("handover.opened", "K 1"), Suppression.objects.filter(reason="joined", handover=of("K 1").get()).count())
"""
    *relayed, found = lines(home, database, HANDOVERS + script)
    assert Counter(relayed) == {"1": 8}
    assert found == "1 1 7"


def test_an_event_that_comes_again_at_eight_relays_pages_once(home: Path, database: str) -> None:
    script = """
call = flagged("K 2")
only_flags()
raised = Event.objects.get(type="flag.raised", subject=str(call.flags.get().id))
for _ in range(7):
    Event.objects.create(type=raised.type, subject=raised.subject, team=team, payload=raised.payload)
side_by_side(lambda: events_relay(1))
print(of("K 2").count(), told("handover.opened", "K 2"))
"""
    assert lines(home, database, HANDOVERS + script)[-1] == "1 1"


def test_of_eight_sweeps_one_escalates_and_of_eight_claims_one_wins(home: Path, database: str) -> None:
    script = """
flagged("K 3")
while events_relay(): pass
handover = of("K 3").get()
of("K 3").update(claim_by=timezone.now() - timedelta(seconds=1))
side_by_side(handovers_sweep)
print(told("handover.escalated", "K 3"), of("K 3").get().step)
people = iter([factories.user(f"p{number}", is_superuser=True) for number in range(8)])
side_by_side(lambda: handover_claim(user=next(people), handover_id=handover.id).status)
print(told("flag.claimed", "K 3"))
"""
    found = lines(home, database, HANDOVERS + script)
    assert Counter(found[:8]) == {"1": 1, "0": 7}
    assert found[8] == "1 2"
    assert Counter(line.split()[0] for line in found[9:17]) == {"claimed": 1, "ApplicationError": 7}
    assert found[17] == "1"


TWO = """
sys.path.insert(0, ".")
from unittest import mock
from tests import factories
from callanalytics.calls.models import Call, Flag
from callanalytics.events.models import Event
from callanalytics.people.models import User
from callanalytics.privacy.services import call_erase
root = User.objects.filter(username="two").first() or factories.user("two", is_superuser=True)
call = factories.analyzed(factories.queued_call(team, io.BytesIO(uuid4().bytes)))
held = threading.Event()
def then_wait(*args, **kwargs):
    held.set()
    time.sleep(1)
    return mock.DEFAULT
def run_held(work):
    held.wait()
    run(work)
gate = threading.Barrier(1)
def one_holds_the_other(first, second):
    threads = [threading.Thread(target=run, args=(first,)), threading.Thread(target=run_held, args=(second,))]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
"""


def test_a_verdict_waits_for_an_objection_to_the_same_call(home: Path, database: str) -> None:
    script = """
from callanalytics.calls import corrections
from callanalytics.review.services import verdict_record
flag = Flag.objects.get(call=call)
with mock.patch.object(corrections, "event_record", mock.Mock(wraps=corrections.event_record, side_effect=then_wait)):
    one_holds_the_other(
        lambda: corrections.call_objection_set(user=root, call_id=call.id, objected=True).status,
        lambda: verdict_record(user=root, flag_id=flag.id, answer="confirm"),
    )
"""
    refused, objected = sorted(lines(home, database, TWO + script))
    assert objected == "queued"
    assert refused.startswith("ApplicationError This flag was retracted")


def test_an_erasure_waits_for_the_relay_that_hands_the_call_over(home: Path, database: str) -> None:
    script = """
from callanalytics.routing import outbox
with mock.patch.object(outbox, "flags_follow", mock.Mock(wraps=outbox.flags_follow, side_effect=then_wait)):
    one_holds_the_other(
        lambda: outbox.events_relay() > 0,
        lambda: call_erase(user=root, call_id=call.id, reason="asked").counts["handovers"],
    )
print(Call.objects.filter(id=call.id).count(), Event.objects.filter(subject=str(call.id), type="call.analyzed").get().payload)
"""
    *both, left = lines(home, database, TWO + script)
    assert (set(both), left) == ({"True", "1"}, "0 {}")


def test_migrations_go_back_and_forth(home: Path, database: str) -> None:
    for app in ("privacy", "review", "routing", "calls", "events"):
        manage(home, database, "migrate", app, "zero")
    manage(home, database, "migrate")
    assert "[ ]" not in manage(home, database, "showmigrations")


def test_eight_announcements_of_one_address_are_one_call(home: Path, database: str) -> None:
    script = """
from callanalytics.calls.services import call_announce
url = "https://pbx.example.org/a.wav?sig="
side_by_side(lambda: call_announce(url + uuid4().hex, NewCall(file_name="", team=team), user=None).created)
"""
    assert Counter(lines(home, database, script)) == {"True": 1, "False": 7}


def test_eight_addresses_for_one_external_id_are_one_call_and_seven_conflicts(home: Path, database: str) -> None:
    script = """
from callanalytics.calls.services import call_announce
side_by_side(
    lambda: call_announce(f"https://pbx.example.org/{uuid4()}.wav", NewCall(file_name="", team=team, external_id="U"), user=None).created
)
"""
    found = Counter(line.split()[0] for line in lines(home, database, script))
    assert found == {"True": 1, "ApplicationError": 7}


def test_eight_ends_of_one_upload_are_one_call(home: Path, database: str) -> None:
    script = """
from callanalytics.calls import resumable
from callanalytics.people.models import Membership, RoleChoice, User
owner = User.objects.create_user("uploader")
Membership.objects.create(user=owner, role=RoleChoice.OWNER)
begun = resumable.upload_create(5, {}, user=owner)
def end():
    details = lambda _: NewCall(file_name="a.wav", team=team)
    try:
        return resumable.upload_append(begun, 0, io.BytesIO(b"parts"), details).call is not None
    except Exception as error:
        return error.code
side_by_side(end)
"""
    found = Counter(lines(home, database, script))
    assert found["True"] == 1
    assert set(found) <= {"True", "locked", "conflict", "not_found"}


def test_a_call_is_erased_whole_while_its_recording_arrives(home: Path, database: str) -> None:
    script = """
from callanalytics.calls import fetching, files
from callanalytics.calls.models import Call, Recording
from callanalytics.calls.services import call_announce
from callanalytics.people.models import Membership, RoleChoice, User
from callanalytics.privacy.services import call_erase
owner = User.objects.create_user("eraser")
Membership.objects.create(user=owner, role=RoleChoice.OWNER)
for turn in range(8):
    call = call_announce(f"https://pbx.example.org/erased-{turn}.wav", NewCall(file_name="", team=team), user=None).call
    token = uuid4()
    call = call_claim(call.id, token)
    gate = threading.Barrier(2)
    def settle():
        with files.staged(io.BytesIO(f"bytes of {turn}".encode()), limit=100) as staged:
            return fetching.recording_settle(call, token, staged) is not None
    erase = lambda: call_erase(user=owner, call_id=call.id, reason="asked")
    threads = [threading.Thread(target=run, args=(work,)) for work in (settle, erase)]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
    print("left", Call.objects.filter(id=call.id).count(), Recording.objects.filter(original_name__startswith="erased").count())
"""
    found = lines(home, database, script)
    assert Counter(line for line in found if line.startswith("left")) == {"left 0 0": 8}
    assert not [line for line in found if "Error" in line]
