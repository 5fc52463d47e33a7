"""The API describes itself, truly, and with problem details wherever something goes wrong."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.urls import URLPattern, get_resolver
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from callanalytics.api.examples import EXAMPLES
from callanalytics.api.reference import OPENAPI
from callanalytics.calls.models import Call
from callanalytics.events.types import PUBLIC
from callanalytics.people.scopes import Scope
from tests.api.test_calls import error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rest_framework.test import APIClient

    from tests.factories import World

DESCRIBED: dict[str, Any] = json.loads(OPENAPI.read_bytes())
UNDESCRIBED = {"api-openapi", "api-reference", "api-missing"}
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


def operations() -> list[dict[str, Any]]:
    return [each for path in DESCRIBED["paths"].values() for method, each in path.items() if method in METHODS]


def test_the_description_in_the_repository_is_what_the_views_say(tmp_path: Path) -> None:
    made = tmp_path / "openapi.json"
    call_command("spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", "--file", str(made))
    assert json.loads(made.read_bytes()) == DESCRIBED, "run make openapi"


def test_every_address_is_described() -> None:
    api = next(each for each in get_resolver().url_patterns if str(each.pattern) == "api/")
    patterns = [each for each in api.url_patterns if isinstance(each, URLPattern)]  # type: ignore[union-attr]  # an include
    addresses = {f"/api/{re.sub('<.*?>', '{}', str(each.pattern))}" for each in patterns if each.name not in UNDESCRIBED}
    assert addresses == {re.sub(r"\{.*?\}", "{}", path) for path in DESCRIBED["paths"]}


def test_every_operation_names_a_scope_that_there_is_and_its_problems() -> None:
    assert DESCRIBED["openapi"].startswith("3.1")
    for each in operations():
        (scopes,) = [entry["key"] for entry in each["security"] if "key" in entry]
        assert set(scopes) <= set(Scope.values)
        assert scopes or each["operationId"] == "about"
        assert each["description"]
        assert "application/problem+json" in each["responses"]["default"]["content"]


def test_every_event_is_described_with_an_example() -> None:
    assert DESCRIBED["webhooks"].keys() == PUBLIC.keys()
    for name, hook in DESCRIBED["webhooks"].items():
        example = hook["post"]["requestBody"]["content"]["application/json"]["example"]
        assert example["type"] == name
        assert set(example["data"]) - {"subject", "link"} <= set(PUBLIC[name].fields)


def examples() -> list[tuple[str, dict[str, Any], Any]]:
    """Operation, schema and value of each."""
    found = []
    for each in operations():
        for body in (each.get("requestBody", {}), *each["responses"].values()):
            for content in body.get("content", {}).values():
                found += [(each["operationId"], content["schema"], told["value"]) for told in content.get("examples", {}).values()]
    return found


def test_every_example_is_what_its_schema_says() -> None:
    for operation, schema, value in examples():
        bound = schema | {"components": DESCRIBED["components"]}
        told = [each.message for each in Draft202012Validator(bound, format_checker=FormatChecker()).iter_errors(value)]
        assert told == [], operation
        if isinstance(value, dict) and "$ref" in schema:
            known = DESCRIBED["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
            assert value.keys() <= known.keys(), operation


def test_operations_that_take_json_show_what_it_looks_like() -> None:
    bare = [
        each["operationId"]
        for each in operations()
        if "example" not in str(each.get("requestBody", {}).get("content", {}).get("application/json", "example"))
    ]
    assert bare == []
    assert {name for name, _, _ in examples()} >= set(EXAMPLES)


@pytest.mark.parametrize("address", ["calls/", "calls/batch/"])
def test_what_the_examples_send_is_taken(api: Callable[[str], APIClient], address: str) -> None:
    bodies = DESCRIBED["paths"][f"/api/v1/{address}"]["post"]["requestBody"]["content"]
    given = [(kind, told["value"]) for kind, content in bodies.items() for told in content.get("examples", {}).values()]
    assert given
    for content_type, value in given:
        body = value if isinstance(value, str) else json.dumps(value)
        answer = api("supervisor").generic("POST", f"/api/v1/{address}", body, content_type=content_type)
        assert (answer.status_code, answer.json().get("refused", 0)) in ((202, 0), (200, 0))
        assert Call.objects.get().external_id == "C-20481"


def test_the_description_is_served_as_it_lies_there(client: Client, db: None) -> None:
    served = client.get("/api/v1/openapi.json")
    assert json.loads(served.content) == DESCRIBED


def test_the_reference_page_needs_nothing_from_elsewhere(client: Client, db: None) -> None:
    page = client.get("/api/v1/docs/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert sources
    assert [each for each in sources if not each.startswith("/")] == []


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "/api/v1/nothing/", 404),
        ("get", "/api/v1/flags/a%0Ab/", 404),
        ("put", "/api/v1/calls/", 405),
        ("post", "/api/v1/flags/", 405),
        ("get", "/api/v1/calls/?page_size=x", 400),
    ],
)
def test_every_wrong_turn_is_a_problem(api: Callable[[str], APIClient], method: str, address: str, status: int) -> None:
    response = api("owner").generic(method.upper(), address)
    assert response.status_code == status
    error(response)


def test_an_address_without_its_last_slash_says_so(api: Callable[[str], APIClient]) -> None:
    assert "put a slash at its end" in error(api("owner").post("/api/v1/calls"))["detail"]
    for address in ("/api/v1/nope/", "/api/v1/nope", "/api/v1/calls/nope/"):
        assert "slash" not in error(api("owner").get(address))["detail"]


def test_a_failure_of_our_own_is_a_problem_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(world.owner)
    monkeypatch.setattr("callanalytics.calls.selectors.call_list", lambda **_: 1 / 0)
    response = client.get("/api/v1/calls/")
    assert response.status_code == 500
    assert error(response)["code"] == "server_error"
    assert b"ZeroDivision" not in response.content


def test_a_database_that_does_not_answer_says_when_to_come_back(api: Callable[[str], APIClient], monkeypatch: pytest.MonkeyPatch) -> None:
    def down(**_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("callanalytics.calls.selectors.call_list", down)
    response = api("owner").get("/api/v1/calls/")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert error(response)["code"] == "unavailable"
    assert b"connection" not in response.content


def test_a_foreign_host_is_a_problem_too(db: None) -> None:
    response = Client(headers={"Host": "evil.example"}).get("/api/v1/calls/")
    assert response.status_code == 400
    error(response)
