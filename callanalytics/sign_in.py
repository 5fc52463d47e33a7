"""What django-axes asks of us: whose attempt to sign in it is, and what somebody sees after too many wrong passwords."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.shortcuts import render

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

LOCKED = 429


def client_address(request: HttpRequest) -> str | None:
    """The caller's address; behind our proxy it is the one that the proxy added, the last: a caller may write what stands before it.

    None where there is none, as on a Unix socket, or where it is no address.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.ENV.behind_proxy else ""
    try:
        return str(ip_address(forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def locked_out(request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """The sign-in page with the reason, whichever door was tried."""
    minutes = round(settings.AXES_COOLOFF_TIME.total_seconds() / 60)
    form = AuthenticationForm(request)
    form.cleaned_data = {}
    form.add_error(None, f"Too many wrong passwords. Wait {minutes} minutes, then try again, or ask an administrator.")
    return render(request, "dashboard/login.html", {"form": form, "next": ""}, status=LOCKED)
