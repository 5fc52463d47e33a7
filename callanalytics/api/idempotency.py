"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again is answered again, not done again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone

from callanalytics.api.authentication import asking
from callanalytics.api.models import IdempotentRequest
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from rest_framework.request import Request
    from rest_framework.response import Response

KEPT = timedelta(hours=24)
UNDER_WAY = timedelta(minutes=2)
"""After which a request that left no answer counts as broken off: its process was killed."""
LONGEST = 255


def idempotent(again: Callable[[Request, str], Response]) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """For a view that makes or changes something: `again` answers with what the first request did, by its id in `response.data["id"]`.

    Raises ApplicationError: `unprocessable` where the key came with another request, `under_way` where the first is still under way.
    """

    def decorated(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def answered(request: Request, **path: UUID) -> Response:
            key = request.headers.get("Idempotency-Key", "").strip()
            return _once(request, key, partial(view, request, **path), again) if key else view(request, **path)

        return answered

    return decorated


def _once(request: Request, key: str, view: Callable[[], Response], again: Callable[[Request, str], Response]) -> Response:
    if len(key) > LONGEST:
        raise ApplicationError(f"Idempotency-Key is longer than {LONGEST} characters.", field="Idempotency-Key")
    row, first = _claimed(request, key)
    if not first:
        response = again(request, row.subject)
        response.status_code = row.status_code or response.status_code
        response["Idempotency-Replayed"] = "true"
        return response
    try:
        response = view()
    except BaseException:
        row.delete()
        raise
    IdempotentRequest.objects.filter(id=row.id).update(subject=str(response.data["id"]), status_code=response.status_code)
    return response


def _claimed(request: Request, key: str) -> tuple[IdempotentRequest, bool]:
    """The row of this key, and whether the request is to be done. Whoever wrote the row does it."""
    user, fingerprint, now = asking(request), _fingerprint(request), timezone.now()
    # Everybody's: a key that is revoked never comes again to clear up after itself.
    IdempotentRequest.objects.filter(created_at__lt=now - KEPT).delete()
    theirs = IdempotentRequest.objects.filter(user=user)
    theirs.filter(key=key, subject="", created_at__lt=now - UNDER_WAY).delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint), True
    except IntegrityError:
        row = theirs.filter(key=key).first()
    if row is None or (not row.subject and row.fingerprint == fingerprint):
        raise ApplicationError("The first request with this Idempotency-Key is still under way; ask again in a moment.", code="under_way")
    if row.fingerprint != fingerprint:
        message = "This Idempotency-Key came with another request before; a new request needs a key of its own."
        raise ApplicationError(message, code="unprocessable", field="Idempotency-Key")
    return row, False


def _fingerprint(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    for part in _parts(request):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(request: Request) -> Iterable[bytes]:
    data = request.data
    if not isinstance(data, QueryDict):
        yield repr(data).encode(errors="replace")
        return
    for name, values in sorted(data.lists()):
        yield name.encode(errors="replace")
        for value in values:
            yield _digest(value) if isinstance(value, UploadedFile) else repr(value).encode(errors="replace")


def _digest(file: UploadedFile[bytes]) -> bytes:
    file.seek(0)
    found = hashlib.file_digest(file.file, "sha256").digest()  # type: ignore[arg-type]  # an open binary file
    file.seek(0)
    return (file.name or "").encode(errors="replace") + found
