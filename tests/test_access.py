"""Every address × every role: what each may do, in one table. An address that is not in the table fails the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from callanalytics.calls import files
from tests import factories
from tests.factories import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.factories import Case, World

OK, SENT, ACCEPTED, MOVED, INVALID, FORBIDDEN, MISSING, CONFLICT, FAULTY, SIGN_IN, TYPE, GONE = (
    200,
    200,
    202,
    302,
    400,
    403,
    404,
    409,
    422,
    401,
    415,
    204,
)
LOGIN = "login"
WHO = (*ROLES, "anonymous")
Row = dict[str, Any]


def row(*cells: Any) -> Row:
    """In the order of WHO: owner, supervisor, other_supervisor, reviewer, agent, other_agent, outsider, anonymous."""
    return dict(zip(WHO, cells, strict=True))


# fmt: off
#                owner     superv.   other s.  reviewer   agent      other a.   outsider  anonymous
SIGNED_IN = row( OK,       OK,       OK,       OK,        OK,        OK,        OK,       LOGIN)
ANY_ROLE  = row( OK,       OK,       OK,       OK,        OK,        OK,        MISSING,  LOGIN)
READS     = row( OK,       OK,       MISSING,  OK,        OK,        MISSING,   MISSING,  LOGIN)
LISTENS   = row( MOVED,    MOVED,    MISSING,  MOVED,     MOVED,     MISSING,   MISSING,  LOGIN)
ACTS      = row( MOVED,    MOVED,    MISSING,  FORBIDDEN, FORBIDDEN, MISSING,   MISSING,  LOGIN)
JUDGES    = row( MOVED,    MOVED,    MISSING,  MOVED,     MISSING,   MISSING,   MISSING,  LOGIN)
LEADS     = row( OK,       OK,       OK,       FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING,   LOGIN)
THEIRS    = row( OK,       OK,       MISSING,  MISSING,   MISSING,   MISSING,   MISSING,   LOGIN)
CHANGES   = row( MOVED,    MOVED,    MISSING,  MISSING,   MISSING,   MISSING,   MISSING,   LOGIN)
API_READS = row( OK,       OK,       MISSING,  OK,        OK,        MISSING,   MISSING,  SIGN_IN)
API_ACTS  = row( OK,       OK,       MISSING,  FORBIDDEN, FORBIDDEN, MISSING,   MISSING,  SIGN_IN)
PRECONDITION = dict.fromkeys(WHO, 412)
API_TAKES = row( OK,       OK,       MISSING,  OK,        MISSING,   MISSING,   MISSING,  SIGN_IN)
API_LEADS = row( OK,       OK,       OK,       FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING,   SIGN_IN)
API_THEIRS = row(OK,       OK,       MISSING,  MISSING,   MISSING,   MISSING,   MISSING,   SIGN_IN)
NOWHERE   = row( MISSING,  MISSING,  MISSING,  MISSING,   MISSING,   MISSING,   MISSING,  SIGN_IN)

TABLE: dict[tuple[str, str], tuple[Row, dict[str, Any]]] = {
    ("GET", "overview"):            (ANY_ROLE, {}),
    ("GET", "call-list"):           (ANY_ROLE, {}),
    ("GET", "call-upload"):         (row(OK, OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING, LOGIN), {}),
    ("POST", "call-upload"):        (row(FAULTY, FAULTY, FAULTY, FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING, LOGIN), {}),
    ("GET", "call-detail"):         (READS, {}),
    ("GET", "call-part"):           (READS, {}),
    ("GET", "call-status"):         (READS, {}),
    ("GET", "call-audio"):          (READS, {}),
    ("GET", "call-peaks"):          (READS, {}),
    ("GET", "cleaner-audio"):       (READS, {}),
    ("GET", "cleaner-copy"):        (READS, {}),
    ("POST", "cleaner-copy"):       (LISTENS, {}),
    ("GET", "call-transcript"):     (READS, {}),
    ("POST", "call-swap"):          (ACTS, {}),
    ("POST", "call-roles-confirm"): (ACTS, {}),
    ("POST", "call-customer-set"):  (ACTS, {}),
    ("POST", "call-retry"):         (ACTS, {}),
    ("POST", "call-delete"):        (ACTS, {"reason": "asked for"}),
    ("POST", "call-objection"):     (ACTS, {"objected": "1"}),
    ("POST", "coaching-note-add"):  (ACTS, {"text": "Well done."}),
    ("POST", "flag-verdict"):       (JUDGES, {"answer": "confirm"}),
    ("GET", "blind-sample"):        (row(OK, OK, OK, OK, FORBIDDEN, FORBIDDEN, MISSING, LOGIN), {}),
    ("POST", "blind-sample-judge"): (row(MISSING, MISSING, MISSING, MOVED, MISSING, MISSING, MISSING, LOGIN), {"answer": "reject"}),
    ("GET", "board"):               (row(OK, OK, OK, OK, FORBIDDEN, FORBIDDEN, MISSING, LOGIN), {}),
    ("POST", "handover-claim"):     (JUDGES, {}),
    ("POST", "handover-release"):   (JUDGES, {}),
    ("POST", "handover-resolve"):   (JUDGES, {"outcome": "called_back"}),
    ("POST", "handover-assign"):    (JUDGES | {"reviewer": FORBIDDEN}, {"person": "owner"}),
    ("GET", "plan-list"):           (row(OK, OK, OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING, LOGIN), {}),
    ("GET", "plan-default"):        (row(OK, MISSING, MISSING, MISSING, MISSING, MISSING, MISSING, LOGIN), {}),
    ("POST", "plan-default"):       (row(FAULTY, MISSING, MISSING, MISSING, MISSING, MISSING, MISSING, LOGIN), {}),
    ("GET", "plan-edit"):           (row(OK, OK, MISSING, MISSING, MISSING, MISSING, MISSING, LOGIN), {}),
    ("POST", "plan-edit"):          (row(FAULTY, FAULTY, MISSING, MISSING, MISSING, MISSING, MISSING, LOGIN), {}),
    ("POST", "plan-drop"):          (row(MOVED, MOVED, MISSING, MISSING, MISSING, MISSING, MISSING, LOGIN), {}),
    ("GET", "coaching-list"):       (ANY_ROLE, {}),
    ("POST", "coaching-note-read"): (row(MISSING, MISSING, MISSING, MISSING, MOVED, MISSING, MISSING, LOGIN), {}),
    ("GET", "endpoint-list"):       (LEADS, {}),
    ("GET", "egress"):              (LEADS, {}),
    ("GET", "key-list"):            (LEADS, {}),
    ("GET", "key-new"):             (LEADS, {}),
    ("POST", "key-new"):            (LEADS | dict.fromkeys(("owner", "supervisor", "other_supervisor"), FAULTY), {"name": "CRM"}),
    ("POST", "key-revoke"):         (CHANGES, {}),
    ("GET", "endpoint-kinds"):      (LEADS, {}),
    ("GET", "endpoint-new"):        (LEADS, {}),
    ("POST", "endpoint-new"):       (LEADS | dict.fromkeys(("owner", "supervisor", "other_supervisor"), FAULTY), {"name": "CRM"}),
    ("GET", "endpoint-detail"):     (THEIRS, {}),
    ("GET", "endpoint-edit"):       (THEIRS, {}),
    ("POST", "endpoint-edit"):      (THEIRS | dict.fromkeys(("owner", "supervisor"), FAULTY), {"name": "CRM"}),
    ("GET", "endpoint-secret"):     (CHANGES, {}),
    ("POST", "endpoint-rotate"):    (CHANGES, {"keep_hours": "24"}),
    ("POST", "endpoint-switch"):    (CHANGES, {"enabled": "0"}),
    ("POST", "endpoint-delete"):    (CHANGES, {}),
    ("POST", "endpoint-test"):      (CHANGES, {}),
    ("POST", "endpoint-replay"):    (THEIRS | dict.fromkeys(("owner", "supervisor"), FAULTY), {}),
    ("POST", "endpoint-replay-failed"): (CHANGES, {}),
    ("POST", "endpoint-hurry"):     (CHANGES, {}),
    ("GET", "delivery-detail"):     (THEIRS, {}),
    ("POST", "delivery-replay"):    (CHANGES, {}),
    ("GET", "help"):                (ANY_ROLE, {}),
    ("GET", "about"):               (ANY_ROLE, {}),
    ("GET", "login"):               (row(MOVED, MOVED, MOVED, MOVED, MOVED, MOVED, MOVED, OK), {}),
    ("POST", "logout"):             (row(MOVED, MOVED, MOVED, MOVED, MOVED, MOVED, MOVED, LOGIN), {}),
    ("GET", "api-calls"):           (row(OK, OK, OK, OK, OK, OK, MISSING, SIGN_IN), {}),
    ("POST", "api-calls"):          (row(INVALID, INVALID, INVALID, INVALID, INVALID, INVALID, MISSING, SIGN_IN), {}),
    ("POST", "api-calls-batch"):    (row(TYPE, TYPE, TYPE, FORBIDDEN, FORBIDDEN, FORBIDDEN, MISSING, SIGN_IN), {}),
    ("POST", "api-intake"):         (row(MISSING, MISSING, MISSING, MISSING, MISSING, MISSING, MISSING, SIGN_IN), {}),
    ("POST", "api-uploads"):        (PRECONDITION, {}),
    ("HEAD", "api-upload"):         (PRECONDITION, {}),
    ("GET", "api-call"):            (API_READS, {}),
    ("DELETE", "api-call"):         (API_ACTS, {}),
    ("POST", "api-call-reanalyze"): (API_ACTS | {"owner": ACCEPTED, "supervisor": ACCEPTED}, {}),
    ("GET", "api-call-transcript"): (API_READS, {}),
    ("GET", "api-call-flags"):      (API_READS, {}),
    ("GET", "api-call-segments"):   (API_READS, {}),
    ("GET", "api-call-measures"):   (API_READS, {}),
    ("GET", "api-flags"):           (row(OK, OK, OK, OK, OK, OK, MISSING, SIGN_IN), {}),
    ("GET", "api-flag"):            (API_TAKES, {}),
    ("GET", "api-about"):           (row(OK, OK, OK, OK, OK, OK, MISSING, SIGN_IN), {}),
    ("GET", "api-openapi"):         (dict.fromkeys(WHO, OK), {}),
    ("GET", "api-reference"):       (dict.fromkeys(WHO, OK), {}),
    ("POST", "api-call-objection"): (API_ACTS, {"objected": True}),
    ("GET", "api-handovers"):       (row(OK, OK, OK, OK, OK, OK, MISSING, SIGN_IN), {}),
    ("GET", "api-handover"):        (API_TAKES, {}),
    ("POST", "api-handover-claim"): (API_TAKES, {"external_reference": ""}),
    ("POST", "api-handover-release"): (row(CONFLICT, CONFLICT, MISSING, CONFLICT, MISSING, MISSING, MISSING, SIGN_IN), {}),
    ("POST", "api-handover-resolve"): (API_TAKES, {"outcome": "called_back"}),
    ("GET", "api-endpoints"):       (API_LEADS, {}),
    ("POST", "api-endpoints"):      (API_LEADS | dict.fromkeys(("owner", "supervisor", "other_supervisor"), TYPE), {}),
    ("GET", "api-endpoint"):        (API_THEIRS, {}),
    ("DELETE", "api-endpoint"):     (API_THEIRS | dict.fromkeys(("owner", "supervisor"), GONE), {}),
    ("POST", "api-endpoint-rotate"): (API_THEIRS | dict.fromkeys(("owner", "supervisor"), TYPE), {}),
    ("POST", "api-endpoint-test"):  (API_THEIRS | dict.fromkeys(("owner", "supervisor"), ACCEPTED), {}),
    ("POST", "api-endpoint-replay"): (API_THEIRS | dict.fromkeys(("owner", "supervisor"), TYPE), {}),
    ("GET", "api-deliveries"):      (API_THEIRS, {}),
    ("GET", "api-delivery"):        (API_THEIRS, {}),
    ("POST", "api-delivery-replay"): (API_THEIRS | dict.fromkeys(("owner", "supervisor"), ACCEPTED), {}),
    ("GET", "api-missing"):         (NOWHERE, {}),
}
# fmt: on


@pytest.fixture
def case(world: World) -> Case:
    """An analysed call with a flag, a note and a stretch to judge, and the copies that the worker makes for the browser."""
    found = factories.case(world)
    copies = {files.playback_path(found.call): b"audio", files.cleaner_path(found.call): b"audio", files.peaks_path(found.call): b"{}"}
    for path, content in copies.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return found


def address(name: str, case: Case) -> str:
    """The address of the case's call, flag, note or stretch, whichever the name takes."""
    for arguments in (
        {},
        {"call_id": case.call.id},
        {"call_id": case.call.id, "number": 0},
        {"call_id": case.call.id, "voice": 0},
        {"flag_id": case.flag.id},
        {"note_id": case.note.id},
        {"upload_id": case.call.id},
        {"sample_id": case.sample.id},
        {"handover_id": case.handover.id},
        {"endpoint_id": case.delivery.endpoint_id},
        {"delivery_id": case.delivery.id},
        {"key_id": case.key.id},
        {"kind": "webhook"},
        {"team_id": case.call.team_id},
        {"provider": "nobody"},
        {"path": "x"},
    ):
        try:
            return reverse(name, kwargs=arguments)
        except NoReverseMatch:
            continue
    raise AssertionError(f"the test does not know what {name} takes; teach it")


def names(patterns: list[Any], namespace: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name}"


def test_every_address_is_in_the_table() -> None:
    found = {name for name in names(get_resolver().url_patterns) if not name.startswith("admin:")}
    assert found == {name for _, name in TABLE}


@pytest.mark.parametrize(("method", "name"), TABLE, ids=" ".join)
def test_each_role_gets_what_the_table_says(method: str, name: str, world: World, case: Case) -> None:
    expected, given = TABLE[method, name]
    data = {field: world.people()[value].pk if field == "person" else value for field, value in given.items()}
    where = address(name, case)
    assert {who: answer(world, who, method, where, data) for who in WHO} == expected


def answer(world: World, who: str, method: str, where: str, data: dict[str, Any]) -> int | str:
    """What the role gets; whatever it changed is undone. LOGIN where it is sent to sign in."""
    client = Client()
    if who != "anonymous":
        client.force_login(world.people()[who])
    before = transaction.savepoint()
    kind = {"content_type": "application/json"} if where.startswith("/api/") and data else {}
    response = client.generic(method, where) if method == "DELETE" else getattr(client, method.lower())(where, data, **kind)
    transaction.savepoint_rollback(before)
    asked_to_sign_in = response.status_code == MOVED and response["Location"].startswith(f"{reverse('login')}?next=")
    return LOGIN if asked_to_sign_in else response.status_code


def test_an_address_of_nothing_is_not_found(world: World) -> None:
    client = Client()
    client.force_login(world.owner)
    nothing = "01890000-0000-7000-8000-000000000000"
    for name, key in (("call-detail", "call_id"), ("call-audio", "call_id"), ("api-call", "call_id")):
        assert client.get(reverse(name, kwargs={key: nothing})).status_code == MISSING
    assert client.post(reverse("flag-verdict", args=[nothing]), {"answer": "confirm"}).status_code == MISSING


def test_the_admin_is_for_staff_only(world: World) -> None:
    open_to_all = {"admin:login", "admin:logout"}
    walked = 0
    for name in set(names(get_resolver().url_patterns)):
        if not name.startswith("admin:") or name in open_to_all:
            continue
        try:
            where = reverse(name)
        except NoReverseMatch:
            continue
        walked += 1
        for who in WHO:
            client = Client()
            if who != "anonymous":
                client.force_login(world.people()[who])
            assert client.get(where).status_code in (MOVED, MISSING), (name, who)
    assert walked > 10
