"""Where recordings turn up by themselves: a folder, or a prefix of a bucket. Nothing is changed there unless it is asked for."""

from __future__ import annotations

import io
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from callanalytics.calls import s3
from callanalytics.calls.services import call_announce, call_ingest
from callanalytics.calls.watched import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callanalytics.calls.services import Ingested, NewCall
    from callanalytics.egress import Egress

AUDIO = frozenset(
    (".wav", ".mp3", ".m4a", ".aac", ".mp4", ".ogg", ".oga", ".opus", ".flac", ".webm", ".amr", ".3gp", ".wma", ".gsm", ".au")
)
BESIDE = ".json"
LISTING_S, LISTING_BYTES = 60.0, 16 << 20
BESIDE_BYTES = 1 << 20
PAGE = 1000
HELD = 50
"""Keys of a page that wait for the next one."""


class Place(Protocol):
    """A watched place."""

    def look(self) -> Iterator[list[Found]]:
        """The recordings that are whole now, page by page. Raises OSError or EgressError where the place does not answer."""
        ...

    def beside(self, found: Found) -> bytes:
        """The file of metadata beside a recording; empty where there is none."""
        ...

    def take(self, found: Found, details: NewCall) -> Ingested: ...

    def done(self, found: Found) -> None:
        """It became a call."""
        ...


class Folder:
    """A folder with everything below it. A file is whole once its size and time stay the same for a while."""

    def __init__(self, folder: Path, *, settle_s: float, done_folder: Path | None) -> None:
        self._folder, self._settle_s = folder.resolve(), settle_s
        self._done_folder = done_folder.resolve() if done_folder else None
        self._seen: dict[Path, tuple[str, float]] = {}

    def look(self) -> Iterator[list[Found]]:
        now, before, self._seen = time.monotonic(), self._seen, {}
        page: list[Found] = []
        for file in self._files():
            version = _version(file)
            if not version:
                continue
            since = before[file][1] if file in before and before[file][0] == version else now
            self._seen[file] = (version, since)
            if now - since >= self._settle_s:
                page.append(Found(str(file), file.name, version, _version(_beside(file))))
            if len(page) == PAGE:
                yield page
                page = []
        yield page

    def beside(self, found: Found) -> bytes:
        return _beside(Path(found.place)).read_bytes() if found.beside else b""

    def take(self, found: Found, details: NewCall) -> Ingested:
        return call_ingest(Path(found.place), details, user=None)

    def done(self, found: Found) -> None:
        if self._done_folder is None:
            return
        file = Path(found.place)
        for each in (file, _beside(file)) if found.beside else (file,):
            target = self._done_folder / each.relative_to(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise FileExistsError(f"{target} is there already, so {each.name} stays where it is")
            shutil.move(each, target)

    def _files(self) -> Iterator[Path]:
        if not self._folder.is_dir():
            raise NotADirectoryError(f"{self._folder} is no folder")
        for parent, folders, names in os.walk(self._folder):
            here = Path(parent)
            folders[:] = sorted(name for name in folders if not name.startswith(".") and here / name != self._done_folder)
            yield from (here / name for name in sorted(names) if is_recording(name))


class Bucket:
    """A prefix of a bucket, listed and fetched by addresses that are signed here. An object is whole as soon as it is there."""

    def __init__(self, bucket: str, prefix: str, egress: Egress) -> None:
        self._bucket, self._prefix, self._egress = bucket, prefix, egress

    def look(self) -> Iterator[list[Found]]:
        after = ""
        held: dict[str, str] = {}
        while True:
            listing = s3.listing_read(self._fetched(s3.listing_url(self._bucket, self._prefix, after=after), LISTING_BYTES))
            after, keys = listing.after, [*held.items(), *listing.found]
            # What lies beside a recording comes soon after it, maybe on the next page.
            whole, held = (keys[:-HELD], dict(keys[-HELD:])) if after else (keys, {})
            yield self._page(dict(whole), dict(keys))
            if not after:
                return

    def _page(self, whole: Mapping[str, str], versions: Mapping[str, str]) -> list[Found]:
        return [
            Found(self._url(key), key.rpartition("/")[2], version, versions.get(key + BESIDE, ""))
            for key, version in whole.items()
            if is_recording(key.rpartition("/")[2])
        ]

    def beside(self, found: Found) -> bytes:
        return self._fetched(s3.object_url(found.place + BESIDE), BESIDE_BYTES) if found.beside else b""

    def take(self, found: Found, details: NewCall) -> Ingested:
        return call_announce(found.place, details, user=None)

    def done(self, found: Found) -> None:
        """It stays where it is."""

    def _url(self, key: str) -> str:
        return f"{s3.SCHEME}{self._bucket}/{key}"

    def _fetched(self, url: str, max_bytes: int) -> bytes:
        out = io.BytesIO()
        self._egress.fetch(url, out, timeout_s=LISTING_S, max_bytes=max_bytes)
        return out.getvalue()


def is_recording(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in AUDIO


def _beside(file: Path) -> Path:
    return file.with_name(file.name + BESIDE)


def _version(file: Path) -> str:
    """Empty where there is no file, or none any more."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"
