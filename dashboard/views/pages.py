"""Help and About."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analysis import __version__
from callanalytics import weights
from callanalytics.calls.models import AnalysisRun
from callanalytics.calls.selectors import call_list
from callanalytics.review.selectors import calibration_active
from callanalytics.routing.addresses import mail_server
from callanalytics.routing.models import Endpoint
from dashboard.doors import guarded, signed_in
from dashboard.glossary import SECTIONS

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PACKAGES = (
    "Django",
    "djangorestframework",
    "celery",
    "django-htmx",
    "plotly",
    "whitenoise",
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "torch",
    "transformers",
    "scikit-learn",
    "swift-f0",
    "av",
    "soundfile",
)


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    licence: str


@require_safe
@guarded
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/help.html", {"sections": SECTIONS})


@require_safe
@guarded
def about(request: HttpRequest) -> HttpResponse:
    newest = AnalysisRun.objects.filter(current=True, call__in=call_list(user=signed_in(request)).order_by()).first()
    context = {
        "version": __version__,
        "heads": weights.heads(),
        "noncommercial": weights.noncommercial(),
        "accepted": settings.ACCEPT_NONCOMMERCIAL_WEIGHTS,
        "calibration": calibration_active(),
        "engines": sorted(newest.engines.items()) if newest else [],
        "packages": [package for name in PACKAGES if (package := _package(name))],
        "egress": _egress(),
    }
    return render(request, "dashboard/about.html", context)


def _package(name: str) -> Package | None:
    try:
        found = distribution(name).metadata
    except PackageNotFoundError:
        return None
    stated = found["License-Expression"] or found["License"] or ""
    return Package(found["Name"], found["Version"], _licence(stated, found.get_all("Classifier") or []))


def _licence(stated: str, classifiers: list[str]) -> str:
    """The expression, else the classifier; some packages put the whole text into the field."""
    if stated and len(stated) < 40 and stated != "UNKNOWN":
        return stated
    named = [line.rsplit(" :: ", 1)[-1] for line in classifiers if line.startswith("License ::")]
    return ", ".join(named) or "see its package"


def _egress() -> list[tuple[str, str]]:
    """Every place this installation opens a connection to, by name; never with a password."""
    database = settings.DATABASES["default"]
    broker = urlsplit(settings.CELERY_BROKER_URL)
    cache = settings.CACHES["default"].get("LOCATION", "")
    endpoints = Endpoint.objects.filter(enabled=True).count()
    return [
        ("Database", f"{database['HOST']}" if database.get("HOST") else "a file on this machine"),
        ("Broker", "a folder on this machine" if broker.scheme in ("filesystem", "memory") else f"{broker.hostname or broker.scheme}"),
        ("Cache", urlsplit(cache).hostname or "within the process" if cache else "within the process"),
        ("Model weights", "read from this machine; the models run here"),
        ("Your browser", "this server only: no CDN, no fonts, no telemetry"),
        ("Other systems", f"{endpoints} endpoint{'s' * (endpoints != 1)} that events are sent to" if endpoints else "none"),
        ("Recordings", "uploaded here, or fetched from the address that a call is handed in by"),
        ("Mail server", mail_server() or "none"),
        ("Anyone else", "nobody"),
    ]
