"""Bodies that are too much, have no length, break off or fall silent."""

from __future__ import annotations

import logging
import socket
from importlib import import_module
from inspect import getsource
from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from callanalytics import uploads
from callanalytics.calls.models import Call
from tests.api.test_calls import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

CALLS = "/api/v1/calls/"


class Broken:
    """A body whose connection is cut."""

    def read(self, *_size: int) -> bytes:
        raise TimeoutError("nothing more came")

    readline = read


@pytest.fixture
def client(api: Callable[[str], Any]) -> Any:
    return api("supervisor")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/csv", ""])
def test_what_is_read_into_memory_is_little(client: Any, content_type: str) -> None:
    answer = client.generic("POST", CALLS, b"{}", content_type=content_type, CONTENT_LENGTH=str(uploads.MOST_IN_MEMORY + 1))
    assert error(answer)["status"] == 413


def test_a_body_without_a_length_is_refused_and_not_taken_for_an_empty_one(client: Any) -> None:
    answer = client.generic("POST", CALLS, b"", content_type="application/json", HTTP_TRANSFER_ENCODING="chunked")
    assert (error(answer)["status"], error(answer)["code"]) == (411, "length_required")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_a_body_that_breaks_off_is_no_failure_of_ours(client: Any, content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.generic("POST", CALLS, b"x" * 9, content_type=content_type, **{"wsgi.input": Broken()})
    assert error(answer)["status"] == 400
    assert not caplog.records
    assert not Call.objects.exists()


def test_a_sender_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENCE_S", 0.05)
    ours, theirs = socket.socketpair()

    def read(request: HttpRequest) -> HttpResponse:
        with pytest.raises(TimeoutError):
            request.META["gunicorn.socket"].recv(1)
        return HttpResponse("left")

    with ours, theirs:
        request = RequestFactory().post(CALLS)
        request.META["gunicorn.socket"] = ours
        assert uploads.UploadLimitMiddleware(read)(request).status_code == 200
        assert ours.gettimeout() is None, "what is sent back may take its time"
    assert '"gunicorn.socket": sock' in getsource(import_module("gunicorn.http.wsgi"))


def test_an_answer_is_what_it_is_whatever_is_accepted(client: Any) -> None:
    assert client.get(CALLS, HTTP_ACCEPT="text/vtt").status_code == 200
    assert error(client.get(f"{CALLS}none/", HTTP_ACCEPT="application/problem+json"))["status"] == 404
