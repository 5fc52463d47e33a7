"""A whole installation of a benchmark's own, on its own servers: its settings, its processes with a log each, and its API key."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.servers import Postgres, Redis

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120.0


@dataclass
class Installation:
    """As a context it ends every process that it started, and no other."""

    home: Path
    postgres: Postgres
    redis: Redis
    more: Mapping[str, str] = field(default_factory=dict)
    web_port: int = field(default_factory=servers.free_port)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Installation:
        self.home.mkdir(exist_ok=True)
        self.manage("migrate", "--verbosity", "0")
        return self

    def __exit__(self, *reason: object) -> None:
        for process in self.started:
            process.terminate()
        for process in self.started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
                continue
            process.kill()
            process.wait()

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "CALLANALYTICS_HOME": str(self.home),
            "CALLANALYTICS_HTTPS": "false",
            "CALLANALYTICS_LOG_LEVEL": "WARNING",
            "CALLANALYTICS_API_RATE": "100000/s",
            "DATABASE_URL": self.postgres.url,
            "CELERY_BROKER_URL": f"{self.redis.url}/0",
            "REDIS_URL": f"{self.redis.url}/1",
            "OMP_NUM_THREADS": "1",
        }
        return own | dict(self.more)

    def manage(self, *arguments: str) -> str:
        """What a command says."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout.strip()

    def api_key(self) -> str:
        return self.manage("api_key", "bench", "--scopes", "calls:read", "calls:write")

    def start(self, name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """A Python process in a group of its own, which a Ctrl-C does not reach."""
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=os.environ | self.environment | more, stdout=log, stderr=log, process_group=0
            )
        self.started.append(process)
        return process

    def web(self, application: str = "callanalytics.wsgi") -> subprocess.Popen[bytes]:
        """gunicorn as the compose file starts it, once it answers."""
        options = ["--bind", f"127.0.0.1:{self.web_port}", "--workers", "3", "--threads", "4", "--timeout", "120", "--no-control-socket"]
        process = self.start("web", "-m", "gunicorn", application, *options)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the web server did not start:\n{(self.home / 'web.log').read_text()[-2000:]}")
            time.sleep(0.1)
        return process

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.web_port, timeout=5)
        with suppress(OSError):
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        return False
