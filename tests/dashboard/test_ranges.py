"""HTTP ranges on a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import RequestFactory

from dashboard.ranges import file_response

if TYPE_CHECKING:
    from pathlib import Path

    from django.http.response import HttpResponseBase

BODY = bytes(range(200))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "call.m4a"
    path.write_bytes(BODY)
    return path


def answer(file: Path, header: str | None = None, **headers: str) -> HttpResponseBase:
    ranged = {} if header is None else {"range": header}
    return file_response(RequestFactory().get("/", headers=ranged | headers), file, content_type="audio/mp4")


def body(response: HttpResponseBase) -> bytes:
    return b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined]


def test_the_whole_file_says_that_ranges_are_taken(file: Path) -> None:
    response = answer(file)
    assert response.status_code == 200
    assert response["Accept-Ranges"] == "bytes"
    assert response["Content-Type"] == "audio/mp4"
    assert response["Content-Length"] == "200"
    assert "private" in response["Cache-Control"]
    assert body(response) == BODY


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-1", 0, 1), ("bytes=50-99", 50, 99), ("bytes=150-", 150, 199), ("bytes=-20", 180, 199), ("bytes=190-900", 190, 199)],
)
def test_a_range_is_answered_with_206(file: Path, header: str, start: int, end: int) -> None:
    response = answer(file, header)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {start}-{end}/200"
    assert response["Content-Length"] == str(end - start + 1)
    assert body(response) == BODY[start : end + 1]


def test_a_range_past_the_end_is_416_with_the_length(file: Path) -> None:
    response = answer(file, "bytes=200-")
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */200"


@pytest.mark.parametrize("header", ["bytes=0-0", "seconds=1-2", "bytes=1-2,5-6", "bytes=x-y"])
def test_a_range_that_is_not_served_gets_the_whole_file(file: Path, header: str) -> None:
    response = answer(file, header)
    assert response.status_code == 200
    assert body(response) == BODY


def test_an_unchanged_file_is_304(file: Path) -> None:
    tag = answer(file)["ETag"]
    assert answer(file, **{"if-none-match": tag}).status_code == 304


def test_a_missing_file_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        answer(tmp_path / "gone.m4a")
