"""A client of the API for programs in Python; it needs httpx and nothing else of the platform.

Every request that makes something carries an Idempotency-Key and is sent again where the network or the server fails, so that a call is
handed in once or the caller hears why not.
"""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypedDict, TypeVar, Unpack
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

ATTEMPTS = 4
WAIT_S = 0.5
"""Before the second attempt, doubling; longer where the server says so."""
LONGEST_WAIT_S = 60.0
BUSY = frozenset({429, 502, 503, 504})

Record = TypeVar("Record")


class ApiError(Exception):
    """What the API refused, as problem details (RFC 9457) say it; status 0 where no answer came."""

    def __init__(self, status: int, type: str, detail: str, errors: Mapping[str, str], subject: str | None) -> None:
        super().__init__(f"{status}: {detail}" if status else detail)
        self.status = status
        self.type = type
        """Stable, as in `conflict`."""
        self.detail = detail
        self.errors = errors
        """By field."""
        self.subject = subject
        """The id of what is in the way."""


class Metadata(TypedDict, total=False):
    """What is known of a call; everything may be left out."""

    external_id: str
    team: str
    agent: str
    queue: str
    direction: str
    started_at: datetime
    channels: Sequence[str]
    """Who is on which channel, in order, as in ("agent", "customer")."""
    language: str
    notice: str
    objected: bool
    scoring: str
    customer_reference: str
    tags: Sequence[str]


class Filters(TypedDict, total=False):
    """What a list of calls is narrowed to; times are those of the call's start."""

    status: str
    team: str
    queue: str
    agent: str
    flagged: bool
    since: datetime
    until: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call's row. Numbers that tell of somebody's emotion are None for those who may not see them."""

    id: str
    url: str
    external_id: str
    team: str
    agent: str | None
    queue: str | None
    started_at: str
    file_name: str
    language: str
    status: str
    """queued, running, done or failed."""
    percent: int
    reason: str
    """Why it failed, or is tried again, in plain words."""
    seconds: float | None
    frustrated_s: float | None
    peak_frustration: float | None
    flag_count: int | None
    analysis: Mapping[str, Any] | None = None
    """The whole analysis, of a call that was asked for alone."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A stretch that someone should look at; times in seconds from the start of the call."""

    id: str
    call: str
    page: str
    rule: str
    severity: str
    status: str
    start: float
    end: float
    peak: float | None
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one party said; times in seconds from the start of the call."""

    id: int
    voice: int
    party: str
    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Handover:
    """A flag given to a human."""

    id: str
    flag: str
    call: str
    page: str
    team: str
    rule: str
    severity: str
    status: str
    claim_by: str | None
    """When the next in the chain is told, unless somebody claims it."""
    claimed_by: str
    external_reference: str
    claimed_after_s: float | None
    """From the end of the stretch to the claim."""
    outcome: str


class Client:
    """One connection to an installation, for as many requests as are wanted. Raises ApiError wherever something is refused."""

    def __init__(self, address: str, key: str, *, timeout_s: float = 60.0) -> None:
        headers = {"authorization": f"Bearer {key}", "user-agent": "callanalytics.client"}
        self._http = httpx.Client(base_url=f"{address.rstrip('/')}/api/v1/", headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def about(self) -> dict[str, Any]:
        """Which key asks and what it may."""
        return dict(self._asked("GET", "").json())

    def send(self, recording: Path | str | BinaryIO, **known: Unpack[Metadata]) -> Call:
        """Hand a recording in; the call that is queued, or that was there already."""
        with ExitStack() as stack:
            file = stack.enter_context(Path(recording).open("rb")) if isinstance(recording, str | Path) else recording
            name = Path(str(getattr(file, "name", "recording"))).name
            answer = self._asked("POST", "calls/", data=_form(known), files={"file": (name, file)})
        return _record(Call, answer.json())

    def send_url(self, url: str, **known: Unpack[Metadata]) -> Call:
        """Hand in a recording that lies at an https:// or s3:// address, which a worker fetches."""
        return _record(Call, self._asked("POST", "calls/", json={"url": url, **_plain(known)}).json())

    def call(self, call_id: str) -> Call:
        """With its analysis, once there is one."""
        return _record(Call, self._asked("GET", f"calls/{call_id}/").json())

    def calls(self, **filters: Unpack[Filters]) -> Iterator[Call]:
        """Newest first, page after page as they are read."""
        yield from (_record(Call, row) for row in self._pages("calls/", filters))

    def wait(self, call_id: str, *, timeout_s: float = 600.0, every_s: float = 1.0) -> Call:
        """The call once it is done or failed. Raises TimeoutError."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            state = self._asked("GET", f"calls/{call_id}/", params={"fields": "status"}).json()["status"]
            if state in ("done", "failed"):
                return self.call(call_id)
            time.sleep(every_s)
        raise TimeoutError(f"call {call_id} was not analysed within {timeout_s:.0f} s")

    def transcript(self, call_id: str) -> list[Utterance]:
        return [_record(Utterance, row) for row in self._asked("GET", f"calls/{call_id}/transcript/").json()]

    def transcript_text(self, call_id: str, format: str = "txt") -> str:
        """As `txt`, `vtt` or `srt`."""
        return self._asked("GET", f"calls/{call_id}/transcript/", params={"format": format}).text

    def flags(self, call_id: str) -> list[Flag]:
        return [_record(Flag, row) for row in self._asked("GET", f"calls/{call_id}/flags/").json()]

    def reanalyze(self, call_id: str) -> Call:
        return _record(Call, self._asked("POST", f"calls/{call_id}/reanalyze/").json())

    def object(self, call_id: str, *, objected: bool = True) -> Call:
        """Record that the caller objects to scoring."""
        return _record(Call, self._asked("POST", f"calls/{call_id}/objection/", json={"objected": objected}).json())

    def erase(self, call_id: str) -> str:
        """Delete a call and everything about it; the receipt's id."""
        return str(self._asked("DELETE", f"calls/{call_id}/").json()["receipt"])

    def handovers(self, *, status: str = "open") -> Iterator[Handover]:
        """Newest first, page after page as they are read."""
        yield from (_record(Handover, row) for row in self._pages("handovers/", {"status": status}))

    def claim(self, handover_id: str, *, external_reference: str = "") -> Handover:
        """Take a handover, so that nobody else is told; `external_reference` says who has it in your system."""
        return self._handed(handover_id, "claim", {"external_reference": external_reference})

    def release(self, handover_id: str) -> Handover:
        """Give a claimed handover back."""
        return self._handed(handover_id, "release", {})

    def resolve(self, handover_id: str, outcome: str, *, note: str = "") -> Handover:
        """Say what came of it, as in `called_back`."""
        return self._handed(handover_id, "resolve", {"outcome": outcome, "note": note})

    def _handed(self, handover_id: str, act: str, body: Mapping[str, str]) -> Handover:
        return _record(Handover, self._asked("POST", f"handovers/{handover_id}/{act}/", json=body).json())

    def _pages(self, address: str, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Of `next` only the query counts: behind a proxy its host may be one that must not be told the key."""
        query = httpx.QueryParams(_plain(filters))
        while True:
            page = self._asked("GET", address, params=query).json()
            yield from page["results"]
            if not page["next"]:
                return
            query = httpx.URL(page["next"]).params

    def _asked(self, method: str, address: str, **body: Any) -> httpx.Response:
        """The answer, after as many attempts as it takes. Raises ApiError."""
        headers = {"idempotency-key": str(uuid4())} if method == "POST" else {}
        for attempt in range(ATTEMPTS):
            try:
                answer = self._http.request(method, address, headers=headers, **body)
            except httpx.TransportError as error:
                if attempt + 1 == ATTEMPTS:
                    raise ApiError(0, "unreachable", f"{self._http.base_url} does not answer: {error}", {}, None) from error
                time.sleep(WAIT_S * 2**attempt)
            else:
                if not _passes(answer) or attempt + 1 == ATTEMPTS:
                    return _good(answer)
                time.sleep(_wait_s(answer, attempt))
            _rewind(body)
        raise AssertionError("unreachable")


def _passes(answer: httpx.Response) -> bool:
    """Also a conflict with an attempt of ours that is still under way: its connection broke, the server goes on."""
    return answer.status_code in BUSY or (answer.is_error and "retry-after" in answer.headers)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        found = answer.json()
    except ValueError:
        found = None
    found = found if isinstance(found, dict) else {}
    errors = {each["field"]: each["detail"] for each in found.get("errors", [])}
    kind = str(found.get("type", "")).rpartition(":")[2]
    raise ApiError(answer.status_code, kind, found.get("detail", answer.reason_phrase), errors, found.get("subject"))


def _wait_s(answer: httpx.Response, attempt: int) -> float:
    asked = str(answer.headers.get("retry-after", ""))
    return max(WAIT_S * 2.0**attempt, min(float(asked), LONGEST_WAIT_S) if asked.isdecimal() else 0.0)


def _rewind(body: Mapping[str, Any]) -> None:
    """A file that was sent in part is sent from its start."""
    for _, file in (body.get("files") or {}).values():
        file.seek(0)


def _plain(known: Mapping[str, Any]) -> dict[str, Any]:
    """Times as text, in a query and in JSON alike."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in known.items()}


def _form(known: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a form, in which a list is words with commas between them."""
    return {name: value if isinstance(value, str | bool) else ",".join(map(str, value)) for name, value in _plain(known).items()}


def _record(kind: type[Record], row: Mapping[str, Any]) -> Record:
    """Without the fields that a newer server sends."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # every Record is one
    return kind(**{name: value for name, value in row.items() if name in names})
