"""Files without a row do not stay; files with one do."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from django.core.management import call_command
from uuid6 import uuid7

from callanalytics.calls import files
from callanalytics.calls.leftovers import FOLDERS, OLD_S, leftovers_remove
from callanalytics.calls.models import AnalysisRun, Call
from tests import factories

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.factories import World


def put(path: Path, *, age_s: float = OLD_S + 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    aged(path, age_s)
    return path


def aged(path: Path, age_s: float = OLD_S + 60) -> None:
    os.utime(path, (time.time() - age_s,) * 2)


def stored(media: Path) -> set[Path]:
    return {path for path in media.rglob("*") if path.is_file()}


def of(call: Call) -> set[Path]:
    run = AnalysisRun.objects.get(call=call)
    copies = {files.playback_path(call), files.peaks_path(call), files.cleaner_path(call)}
    return {files.recording_path(call), files.absolute(run.document), *copies}


def test_what_belongs_to_a_call_stays_however_old(world: World, media: Path) -> None:
    call = factories.done_call(world.billing)
    for path in of(call):
        put(path)
    assert leftovers_remove(FOLDERS) == 0
    assert stored(media) == of(call)


def test_what_a_crash_left_goes_after_a_day(world: World, media: Path) -> None:
    call = factories.done_call(world.billing)
    withdrawn = factories.done_call(world.billing)
    document = files.absolute(AnalysisRun.objects.get(call=withdrawn).document)
    AnalysisRun.objects.filter(call=withdrawn).update(document="")
    gone = uuid7()
    lost = [
        media / "incoming" / "tmpab12cd",
        files.absolute(files.recording_name(gone, "a.wav")),
        files.absolute(files.document_name(gone)),
        files.playback_path(Call(id=gone)),
        files.peaks_path(Call(id=gone)),
        files.cleaner_path(Call(id=gone)),
        files.playback_path(call).with_name("tmpab12cd.m4a"),
        document,
    ]
    kept = {files.recording_path(call), files.recording_path(withdrawn), files.absolute(AnalysisRun.objects.get(call=call).document)}
    for path in lost:
        put(path, age_s=OLD_S - 60)
    assert leftovers_remove(FOLDERS) == 0, "a younger file may still get its row"
    for path in lost:
        aged(path)
    assert leftovers_remove(FOLDERS) == len(lost)
    assert stored(media) == kept


def test_what_an_operator_put_there_is_left_alone(world: World, media: Path) -> None:
    foreign = put(media / "recordings" / "0a" / "README.txt")
    assert leftovers_remove(FOLDERS) == 0
    assert stored(media) == {foreign}


def test_every_folder_has_its_turn(world: World, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("00", "7f", "ff"):
        put(media / "peaks" / folder / f"{uuid7()}.json", age_s=60 * 24 * 3600)
    now = time.time()
    removed = []
    for hour in range(256):
        monkeypatch.setattr(time, "time", lambda hour=hour: now + 3600 * hour)
        removed.append(leftovers_remove())
    assert sorted(removed)[-3:] == [1, 1, 1]
    assert stored(media) == set()


def test_the_command_looks_everywhere(world: World, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(media / "incoming" / "tmpab12cd")
    put(media / "peaks" / "5c" / f"{uuid7()}.json")
    call_command("sweep")
    assert "2 files removed that belonged to no call." in capsys.readouterr().out
