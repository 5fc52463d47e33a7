"""The only reader of the environment. Everything has a default that runs on a laptop with nothing else installed."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class S3:
    """Who may read recordings in S3, and where it is."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    region: str
    endpoint: str
    """A store of one's own, or a test's; empty for AWS."""
    buckets: tuple[str, ...] = ()
    """Beginnings of what may be handed in, as `recordings` or `recordings/{team}/`; empty for all that the key opens."""


@dataclass(frozen=True, slots=True)
class Twilio:
    """The account whose recordings may be fetched; the token also checks that callbacks are Twilio's."""

    account_sid: str
    auth_token: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says, typed."""

    home: Path
    """Where everything that is written lives: database, media, broker, generated key."""
    debug: bool
    secret_key: str
    allowed_hosts: list[str]
    trusted_origins: list[str]
    embedded: bool
    """No DATABASE_URL: SQLite, and static files straight from the packages."""
    https: bool
    """Reached over TLS: redirects, HSTS, secure cookies. On unless embedded."""
    behind_proxy: bool
    """A proxy of ours sets X-Forwarded-Proto; believed only then."""
    database: dict[str, Any]
    broker_url: str
    analysis_queue: str
    """`analysis`, or `analysis.gpu` where workers with a GPU take the calls."""
    redis_url: str
    media_root: Path
    """Made with its `incoming` folder, where uploads land."""
    static_root: Path
    """Made where embedded; in production collectstatic makes it."""
    log_level: str
    public_url: str
    """Where people reach the dashboard, for links in what is sent out."""
    egress_allow: list[str]
    """Receivers on the premises that requests may be sent to: hosts, networks, with http:// where they have no TLS."""
    s3: S3
    twilio: Twilio
    api_rate: str
    """Requests that one API key or person may make, as in 100/s or 2000/min."""
    pagerduty_url: str
    """Where events for PagerDuty go; the European Union has another."""
    email: dict[str, Any]
    """Django's settings of the mail server; its host is empty where there is none."""
    email_from: str
    deliveries_days: int
    """How long what was delivered, and how, is kept."""
    max_upload_mb: int
    accept_noncommercial_weights: bool
    analysis_config: str
    """Path of a TOML file over the defaults of analysis.config; empty for none."""


def read(env: environ.Env | None = None) -> Environment:
    """Read the environment, and `.env` beside manage.py where there is one. Raises ImproperlyConfigured on a value of the wrong kind."""
    env = env or _env()
    home = Path(env.str("CALLANALYTICS_HOME", default=str(BASE_DIR / "var"))).resolve()
    home.mkdir(parents=True, exist_ok=True)
    media = Path(env.str("CALLANALYTICS_MEDIA_ROOT", default=str(home / "media"))).resolve()
    static = Path(env.str("CALLANALYTICS_STATIC_ROOT", default=str(home / "static"))).resolve()
    embedded = not env.str("DATABASE_URL", default="")
    # Embedded needs no collectstatic, and WhiteNoise complains where there is no folder. In production that complaint is right.
    for folder in (media / "incoming", static) if embedded else (media / "incoming",):
        folder.mkdir(parents=True, exist_ok=True)
    debug = env.bool("CALLANALYTICS_DEBUG", default=False)
    return Environment(
        home=home,
        debug=debug,
        secret_key=env.str("CALLANALYTICS_SECRET_KEY", default="") or _kept_key(home / "secret_key"),
        allowed_hosts=env.list("CALLANALYTICS_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]),
        trusted_origins=env.list("CALLANALYTICS_TRUSTED_ORIGINS", default=[]),
        embedded=embedded,
        https=env.bool("CALLANALYTICS_HTTPS", default=not embedded and not debug),
        behind_proxy=env.bool("CALLANALYTICS_BEHIND_PROXY", default=False),
        database=env.db_url("DATABASE_URL", default=f"sqlite:///{home / 'callanalytics.sqlite3'}"),
        broker_url=env.str("CELERY_BROKER_URL", default="filesystem://"),
        analysis_queue=env.str("CALLANALYTICS_ANALYSIS_QUEUE", default="analysis"),
        redis_url=env.str("REDIS_URL", default=""),
        media_root=media,
        static_root=static,
        log_level=env.str("CALLANALYTICS_LOG_LEVEL", default="INFO").upper(),
        public_url=env.str("CALLANALYTICS_PUBLIC_URL", default="http://localhost:8000").rstrip("/"),
        egress_allow=env.list("CALLANALYTICS_EGRESS_ALLOW", default=[]),
        s3=_s3(env),
        twilio=Twilio(env.str("TWILIO_ACCOUNT_SID", default=""), env.str("TWILIO_AUTH_TOKEN", default="")),
        api_rate=env.str("CALLANALYTICS_API_RATE", default="100/s"),
        pagerduty_url=env.str("CALLANALYTICS_PAGERDUTY_URL", default="https://events.pagerduty.com/v2/enqueue"),
        email=env.email_url("CALLANALYTICS_EMAIL_URL", default="dummymail://"),
        email_from=env.str("CALLANALYTICS_EMAIL_FROM", default="callanalytics@localhost"),
        deliveries_days=env.int("CALLANALYTICS_DELIVERIES_DAYS", default=30),
        max_upload_mb=env.int("CALLANALYTICS_MAX_UPLOAD_MB", default=2048),
        accept_noncommercial_weights=env.bool("CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS", default=False),
        analysis_config=env.str("CALLANALYTICS_ANALYSIS_CONFIG", default=""),
    )


def _s3(env: environ.Env) -> S3:
    return S3(
        access_key_id=env.str("AWS_ACCESS_KEY_ID", default=""),
        secret_access_key=env.str("AWS_SECRET_ACCESS_KEY", default=""),
        session_token=env.str("AWS_SESSION_TOKEN", default=""),
        region=env.str("AWS_REGION", default="us-east-1"),
        endpoint=env.str("AWS_ENDPOINT_URL_S3", default=""),
        buckets=tuple(env.list("CALLANALYTICS_S3_BUCKETS", default=[])),
    )


def _env() -> environ.Env:
    env = environ.Env()
    file = BASE_DIR / ".env"
    if file.is_file():
        env.read_env(str(file))
    return env


def _kept_key(file: Path) -> str:
    """A key made once and kept beside the data, readable by its owner only.

    It is written whole under another name and linked, so that web and worker starting together agree on one.
    """
    if not file.exists():
        handle, draft = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w") as out:
            out.write(get_random_secret_key())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return file.read_text().strip()
