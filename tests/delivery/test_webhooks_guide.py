"""docs/webhooks.md is true: its events, their fields, its schedule, and its code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from standardwebhooks import Webhook

from callanalytics.events.types import PUBLIC, SCHEMA
from callanalytics.routing import deliveries, endpoints, sending
from callanalytics.settings import DELIVERIES_DAYS

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UNITS_S = {"s": 1, "min": 60, "h": 3600}


def test_every_event_is_listed_with_its_fields_and_no_other() -> None:
    rows = {type: (told, fields) for type, told, fields in re.findall(r"^\| `([a-z.]+)` \| (.+?) \| (.+?) \|$", GUIDE, re.MULTILINE)}
    assert rows.keys() == PUBLIC.keys()
    for type, known in PUBLIC.items():
        assert rows[type] == (known.summary, ", ".join(f"`{field}`" for field in known.fields)), type


def test_the_schedule_is_the_one_that_is_kept() -> None:
    told = re.search(r"Attempts come after 0, (.+?), each up to a tenth later", GUIDE, re.DOTALL)
    assert told
    waits = re.findall(r"(\d+) (s|min|h)\b", told[1])
    assert (0, *(int(number) * UNITS_S[unit] for number, unit in waits)) == deliveries.SCHEDULE_S
    assert deliveries.JITTER == 0.1
    assert sum(deliveries.SCHEDULE_S) // 86_400 == 3
    assert deliveries.GIVE_UP_AFTER.days == 5
    assert deliveries.LONGEST_REST_S == 300


def test_its_numbers_are_those_of_the_code() -> None:
    assert sending.TIMEOUT_S == 15
    assert frozenset({429, 502, 503, 504}) == sending.WAITS
    assert endpoints.KEEP_HOURS == 24
    assert DELIVERIES_DAYS == 30
    assert f'"schema": "{SCHEMA}"' in GUIDE


def test_its_receiver_takes_what_is_signed_once_and_refuses_what_is_not() -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert code
    worked: list[str] = []
    names: dict[str, object] = {
        "SECRET": SECRET,
        "seen_before": lambda id: id in worked,
        "work_later": lambda event: worked.append(event["id"]),
    }
    exec(code[1], names)
    hook = names["hook"]
    assert callable(hook)
    body, now = '{"id": "e1", "type": "flag.raised"}', datetime.now(UTC)
    headers = {
        "webhook-id": "e1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("e1", now.replace(tzinfo=None), body),
    }
    assert [hook(SimpleNamespace(body=body.encode(), headers=headers)) for _ in range(2)] == [204, 204]
    assert worked == ["e1"]
    assert hook(SimpleNamespace(body=body.replace("raised", "failed").encode(), headers=headers)) == 400
