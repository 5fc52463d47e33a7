"""A PostgreSQL and a Redis of a benchmark's own: on free ports of loopback, in a folder of their own, as an ordinary user."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2  # type: ignore[import-untyped]
import redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATIENCE_S = 60.0
FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL")
ORDINARY = "nobody"
"""Whom the servers run as where the benchmark runs as root: PostgreSQL refuses root."""


def refuse_foreign(environment: Mapping[str, str] = os.environ) -> None:
    """Leave at once where the environment names servers: a benchmark breaks and fills those that it started itself, and no others."""
    if named := [name for name in FOREIGN if environment.get(name)]:
        raise SystemExit(f"{', '.join(named)} is set. This starts a PostgreSQL and a Redis of its own and touches no other: unset it.")


@dataclass
class Server:
    """One server process. `stop` and `start` again on the same data and port."""

    folder: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **ordinary())
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.command()[0]} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE_S)
            self.process = None


class Postgres(Server):
    """SIGINT ends it in order; SIGQUIT ends it as a crash does, and the next start recovers."""

    password = secrets.token_hex(8)

    @property
    def url(self) -> str:
        return f"postgres://callanalytics:{self.password}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        made = [_program("initdb"), "-D", str(self.folder / "data"), "-U", "callanalytics", "--auth=scram-sha-256", f"--pwfile={secret}"]
        done = subprocess.run([*made, "-E", "UTF8"], capture_output=True, text=True, check=False, cwd=self.folder, **ordinary())
        if done.returncode:
            raise SystemExit(f"initdb failed: {done.stderr}")

    def command(self) -> Sequence[str]:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        return [_program("postgres"), "-D", str(self.folder / "data"), *where]

    def connect(self) -> Any:
        return psycopg2.connect(self.url, connect_timeout=2)

    def answers(self) -> bool:
        with suppress(psycopg2.OperationalError):
            self.connect().close()
            return True
        return False


class Redis(Server):
    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        return [_program("redis-server"), *where, "--appendonly", "yes", "--maxmemory-policy", "noeviction"]

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=2)

    def answers(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self.client().ping())
        return False


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(owned(folder / "postgres"))
    server.create()
    with _running(server):
        yield server


@contextmanager
def own_redis(folder: Path) -> Iterator[Redis]:
    server = Redis(owned(folder / "redis"))
    with _running(server):
        yield server


@contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


def owned(folder: Path) -> Path:
    """A folder of the servers' user; everybody may pass through the one above it."""
    folder.mkdir()
    folder.parent.chmod(0o755)
    if as_user := ordinary():
        os.chown(folder, as_user["user"], as_user["group"])
    return folder


def ordinary() -> dict[str, Any]:
    """Options of subprocess for an ordinary user; none where we are one."""
    if os.geteuid():
        return {}
    user = pwd.getpwnam(ORDINARY)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(name: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
    if found is None:
        raise SystemExit(f"{name} is not installed: the Debian packages postgresql and redis-server have what is needed.")
    return found
