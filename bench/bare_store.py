"""The least that taking a file in can be, for bench/accept.py to measure against: a Django view that writes it to the disk, and no row."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

if TYPE_CHECKING:
    from django.http import HttpRequest

settings.configure(
    SECRET_KEY=os.urandom(16).hex(),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
    FILE_UPLOAD_TEMP_DIR=os.environ["CALLANALYTICS_HOME"],
)


@csrf_exempt
def store(request: HttpRequest) -> HttpResponse:
    """Kept where it arrived, flushed to the disk, under a new name."""
    for sent in request.FILES.getlist("file"):
        held = sent.file.file  # type: ignore[union-attr]  # a temporary file
        os.fsync(held.fileno())
        handle, kept = tempfile.mkstemp(dir=settings.FILE_UPLOAD_TEMP_DIR, suffix=".kept")
        os.close(handle)
        os.replace(held.name, kept)  # noqa: PTH105
        held.delete = False
    return HttpResponse(status=202)


urlpatterns = [path("healthz", lambda _: HttpResponse()), path("store/", store)]
django.setup()
application = get_wsgi_application()
