"""Resumable upload by a real tus client against real web processes, which are killed, and over connections that break."""

from __future__ import annotations

import io
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from tusclient.client import TusClient

from tests.worker.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUDIO = bytes(range(256)) * 4096
KEY = """
from callanalytics.people.keys import api_key_create
from callanalytics.people.models import Membership, RoleChoice, Team, User
owner = User.objects.create_user("owner")
Membership.objects.create(user=owner, role=RoleChoice.OWNER)
team = Team.objects.create(name="Billing")
print(api_key_create(user=owner, name="tus", scopes=["calls:read", "calls:write"], team=team).text)
"""


class Site(Installation):
    """An installation with its web processes and a key."""

    key = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/uploads/"

    def uploader(self, **options: Any) -> Any:
        client = TusClient(self.url, headers={"Authorization": f"Bearer {self.key}"})
        return client.uploader(file_stream=io.BytesIO(AUDIO), chunk_size=200_000, **options)

    def part(self, url: str, offset: int, sent: int) -> socket.socket:
        """Begins to send all the rest, and stops after so many bytes."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = (
            f"PATCH {url.split(str(self.port))[1]} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {len(AUDIO) - offset}\r\n\r\n"
        )
        opened.sendall(head.encode() + AUDIO[offset : offset + sent])
        return opened

    def recording(self) -> bytes:
        ((file,),) = self.sql("SELECT file FROM calls_recording")
        content: bytes = (self.home / "media" / file).read_bytes()
        return content

    def calls(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT external_id, file_name, status FROM calls_call")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path, {"CALLANALYTICS_HTTPS": "false"}) as made:
        made.key = made.manage("shell", "-v", "0", "-c", KEY).stdout.split()[-1]
        made.serve()
        yield made


def test_a_tus_client_uploads_a_recording_in_parts_with_checksums(site: Site) -> None:
    site.uploader(metadata={"filename": "big.wav", "external_id": "c-1"}, upload_checksum=True).upload()
    assert site.calls() == [("c-1", "big.wav", "queued")]
    assert site.recording() == AUDIO


def test_an_upload_goes_on_where_its_connection_broke_and_where_the_server_was_killed(site: Site) -> None:
    begun = site.uploader(metadata={"filename": "big.wav", "external_id": "c-1"})
    begun.upload(stop_at=200_000)
    with site.part(begun.url, 200_000, 150_000):
        pass
    until(lambda: site.uploader(url=begun.url), lambda found: found.offset == 350_000)
    with site.part(begun.url, 350_000, 300_000):
        time.sleep(0.5)
        assert site.server is not None
        site.kill(site.server)
    site.serve()
    resumed = site.uploader(url=begun.url)
    assert resumed.offset == 350_000, "nothing is promised that was not flushed"
    resumed.upload()
    assert site.calls() == [("c-1", "big.wav", "queued")]
    assert site.recording() == AUDIO
    assert [path for path in (site.home / "media" / "uploads").rglob("*") if path.is_file()] == []


def until(make: Any, wanted: Any) -> Any:
    deadline = time.monotonic() + 30
    while not wanted(found := make()):
        assert time.monotonic() < deadline, found.offset
        time.sleep(0.1)
    return found
