"""Recordings that turn up in a folder or a bucket are handed in once, whole, and with what is known of them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from callanalytics.api import places
from callanalytics.api.places import Bucket, Folder
from callanalytics.api.watching import Watch
from callanalytics.calls import s3
from callanalytics.calls.files import recording_path
from callanalytics.calls.models import Call, WatchedFile
from callanalytics.egress import Egress, EgressError, Policy
from callanalytics.errors import ApplicationError
from callanalytics.privacy.services import call_erase
from tests.store import BUCKET, Store, stored
from tests.worker.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

    from tests.factories import World

FREEPBX = "in-4930123-030555-20240131-140500-1706706300.5.wav"


class Watched:
    """A watch over a folder whose files are whole at once, and what it told."""

    def __init__(self, folder: Path, *, pattern: str = "", **options: Any) -> None:
        self.told: list[str] = []
        self.place = Folder(folder, **{"settle_s": 0.0, "done_folder": None} | options)
        self._watch = Watch(
            self.place, lambda line, _: self.told.append(line), team="Billing", pattern=re.compile(pattern) if pattern else None
        )

    def turn(self) -> list[str]:
        self.told.clear()
        self._watch.turn()
        return list(self.told)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "drop"
    made.mkdir()
    return made


def test_what_is_there_is_taken_once_also_after_a_restart(world: World, folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "a.wav").write_bytes(b"audio a")
    (folder / "deep" / "b.MP3").write_bytes(b"audio b")
    for name in ("notes.txt", ".hidden.wav", "c.wav.part"):
        (folder / name).write_bytes(b"no recording")
    watched = Watched(folder)
    assert watched.turn() == ["a.wav: queued", "b.MP3: queued"]
    assert watched.turn() == Watched(folder).turn() == []
    first, second = Call.objects.order_by("file_name")
    assert (first.team, recording_path(first).read_bytes(), second.file_name) == (world.billing, b"audio a", "b.MP3")
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [".hidden.wav", "a.wav", "b.MP3", "c.wav.part", "notes.txt"]


def test_a_file_that_grows_is_waited_for(world: World, folder: Path) -> None:
    watched = Watched(folder, settle_s=0.3)
    for _ in range(3):
        with (folder / "a.wav").open("ab") as out:
            out.write(b"more ")
        assert watched.turn() == []
        time.sleep(0.15)
    time.sleep(0.3)
    assert watched.turn() == ["a.wav: queued"]
    assert recording_path(Call.objects.get()).read_bytes() == b"more more more "


def test_the_name_and_what_lies_beside_it_say_what_the_call_is(world: World, folder: Path) -> None:
    (folder / FREEPBX).write_bytes(b"audio a")
    (folder / f"{FREEPBX}.json").write_text(
        json.dumps({"agent": "A17", "team": "Sales", "tags": ["vip"], "channels": ["agent", "customer"]})
    )
    Watched(folder).turn()
    call = Call.objects.get()
    assert (call.external_id, call.direction, call.started_at.isoformat()) == ("1706706300.5", "inbound", "2024-01-31T13:05:00+00:00")
    assert (call.agent, call.team, call.tags, call.channels) == (world.agent, world.sales, ["vip"], ["agent", "customer"])


def test_only_names_of_the_pattern_are_taken(world: World, folder: Path) -> None:
    for name in ("kim_7.wav", "other.wav"):
        (folder / name).write_bytes(name.encode())
    assert Watched(folder, pattern=r"(?P<agent>\w+)_(?P<external_id>\d+)\.wav").turn() == ["kim_7.wav: queued"]
    assert (Call.objects.get().external_id, str(Call.objects.get().agent)) == ("7", "kim")


def test_a_refused_file_is_told_once_left_and_looked_at_again_when_it_changes(world: World, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"audio a")
    (folder / "a.wav.json").write_text('{"agnet": "A17"}')
    (folder / "b.wav").write_bytes(b"")
    watched = Watched(folder)
    told = watched.turn()
    assert [line.split(":")[0] for line in told] == ["a.wav", "b.wav"]
    assert "agnet: Unknown field" in told[0]
    assert "is empty" in told[1]
    assert watched.turn() == Watched(folder).turn() == []
    assert WatchedFile.objects.filter(refused=True, call=None).count() == 2
    assert not any("a.wav" in repr(row) or "agnet" in repr(row) for row in WatchedFile.objects.values())
    (folder / "a.wav.json").write_text('{"agent": "A17"}')
    assert watched.turn() == ["a.wav: queued"]
    assert watched.turn() == []


@pytest.mark.parametrize("beside", ["{", "[]", '"x"', '{"external_id": "' + "x" * 200 + '"}'])
def test_what_lies_beside_it_must_be_fields_of_a_call(world: World, folder: Path, beside: str) -> None:
    (folder / "a.wav").write_bytes(b"audio a")
    (folder / "a.wav.json").write_text(beside)
    assert "refused" in Watched(folder).turn()[0]
    assert not Call.objects.exists()


def test_a_full_disk_is_told_and_the_file_taken_later(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.wav").write_bytes(b"audio a")
    watched = Watched(folder)

    def full(*_: Any, **__: Any) -> None:
        raise ApplicationError("the disk for recordings is full", code="no_space")

    with monkeypatch.context() as broken:
        broken.setattr(places, "call_ingest", full)
        assert watched.turn() == watched.turn() == ["a.wav: not taken yet: the disk for recordings is full"]
    assert watched.turn() == ["a.wav: queued"]


def test_what_was_taken_is_moved_where_that_is_asked_for(world: World, folder: Path) -> None:
    done = folder / "done"
    (folder / "deep").mkdir()
    for name in ("deep/a.wav", "deep/a.wav.json", "deep/b.wav"):
        (folder / name).write_bytes(b"{}" if name.endswith(".json") else name.encode())
    watched = Watched(folder, done_folder=done)
    watched.turn()
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "done/deep/a.wav",
        "done/deep/a.wav.json",
        "done/deep/b.wav",
    ]
    assert watched.turn() == []


def test_what_was_taken_stays_taken_once_its_call_is_erased(world: World, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"audio a")
    watched = Watched(folder)
    watched.turn()
    call_erase(user=world.owner, call_id=Call.objects.get().id, reason="asked")
    assert watched.turn() == []
    row = WatchedFile.objects.get()
    assert row.call is None
    assert "a.wav" not in repr(row.__dict__), "a name may hold a number"


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with stored() as made:
        settings.S3, settings.EGRESS_ALLOW = made.access, [made.url]
        yield made


def bucket(store: Store, told: list[str]) -> Watch:
    place = Bucket(BUCKET, "calls/", Egress(Policy.of([store.url])))
    return Watch(place, lambda line, _: told.append(line), team="Billing", pattern=None)


def test_a_prefix_of_a_bucket_is_listed_page_by_page_and_nothing_is_taken_twice(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PAGE", 3)
    monkeypatch.setattr(places, "HELD", 2)
    names = ["a +1%.wav", *(f"b{number}.wav" for number in range(8)), "ümlaut & so.wav"]
    for name in names:
        store.put(f"calls/{name}", b"audio")
        store.put(f"calls/{name}.json", json.dumps({"external_id": name}).encode())
    store.put("calls/notes.txt", b"no recording")
    store.put("elsewhere/c.wav", b"audio")
    told: list[str] = []
    bucket(store, told).turn()
    assert sorted(told) == sorted(f"{name}: queued" for name in names)
    assert {call.external_id for call in Call.objects.all()} == set(names), "what lies beside it came along, also on the next page"
    assert {call.source for call in Call.objects.all()} == {f"s3://{BUCKET}/calls/{name}" for name in names}
    told.clear()
    bucket(store, told).turn()
    assert told == []
    store.put("calls/d.wav", b"audio")
    bucket(store, told).turn()
    assert told == ["d.wav: queued"]


def test_a_store_that_does_not_answer_is_said(world: World, store: Store) -> None:
    with pytest.raises(EgressError):
        Watch(Bucket("no-such-bucket", "", Egress(Policy.of([store.url]))), print, team="", pattern=None).turn()
    with pytest.raises(EgressError) as refused:
        Watch(Bucket(BUCKET, "", Egress(Policy())), print, team="", pattern=None).turn()
    assert refused.value.kind == "refused"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/folder"], "no folder"),
        ([".", "--team", "Nobody"], "no team"),
        ([".", "--pattern", "("], "--pattern"),
        (["s3://bucket/x"], "no credentials"),
        (["s3://bucket/x", "--done-folder", "."], "Nothing is moved"),
    ],
)
def test_a_watch_that_cannot_work_ends_at_once(world: World, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("watch", *arguments)


def test_what_is_there_may_be_taken_once_by_a_command(world: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.wav").write_bytes(b"audio a")
    (folder / "b.wav").write_bytes(b"")
    with pytest.raises(CommandError, match="1 not taken"):
        call_command("watch", str(folder), "--once", "--settle", "0")
    assert "a.wav: queued" in capsys.readouterr().out


@pytest.mark.django_db(databases=[])
def test_a_real_watch_that_is_killed_takes_the_rest_after_its_restart_and_nothing_twice(tmp_path: Path, folder: Path) -> None:
    options = ("--settle", "0.3", "--every", "0.1")
    count = "SELECT count(*), count(DISTINCT external_id) FROM calls_call"

    def put(number: int) -> None:
        (folder / f"in-1-2-20240131-140500-170670630{number}.5.wav").write_bytes(b"audio %d" % number)

    (tmp_path / "site").mkdir()
    with Installation(tmp_path / "site") as site:
        started = site.command("watch", folder, *options)
        for number in range(3):
            put(number)
        site.until(count, lambda row: row[0] >= 1)
        site.kill(started)
        for number in range(3, 6):
            put(number)
        again = site.command("watch", folder, *options)
        site.until(count, lambda row: tuple(row) == (6, 6))
        time.sleep(1.0)
        assert site.sql(count) == [(6, 6)]
        again.terminate()
        assert again.wait(20) == 0
        assert len(list(folder.iterdir())) == 6
