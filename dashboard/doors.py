"""What every view needs at its door: errors of services as answers, outsiders turned away, forms of several submit kinds."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.selectors import access_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django_htmx.middleware import HtmxDetails

    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access

P = ParamSpec("P")
R = TypeVar("R", bound="HttpResponseBase")


class SignedInMiddleware(LoginRequiredMiddleware):
    """Sends the whole page to sign in, and back to itself, where a session ends while htmx asks for a fragment of it."""

    def handle_no_permission(  # type: ignore[override]  # an answer that htmx goes by is no redirect to the browser
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        asked = fragment(request)
        if not asked:
            return super().handle_no_permission(request, view_func)
        sign_in = redirect_to_login(
            asked.current_url_abs_path or "/", self.get_login_url(view_func), self.get_redirect_field_name(view_func)
        )
        return HttpResponseClientRedirect(sign_in.url)


def guarded(view: Callable[Concatenate[HttpRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
    """404 for an outsider and for what the user may not know of, 403 for what they may see but not do. Other errors are the view's.

    A fragment of what is gone has its page load again, which says so, where a 404 would be dropped and asked for for ever.
    """

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if rights(request).is_outsider:
            raise Http404("no role")
        try:
            return view(request, *args, **kwargs)
        except NotFoundError as error:
            if fragment(request):
                return cast("R", HttpResponseClientRefresh())
            raise Http404(error.message) from error
        except ApplicationError as error:
            if error.code == "forbidden":
                raise PermissionDenied(error.message) from error
            raise

    return answered


def fragment(request: HttpRequest) -> HtmxDetails:
    """What htmx says of its request; false where the browser asks for a page."""
    details: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    return details


def signed_in(request: HttpRequest) -> User:
    """The user; SignedInMiddleware has already sent everybody else to the login page."""
    return cast("User", request.user)


def supervisor_required(request: HttpRequest) -> None:
    """Raises PermissionDenied for whoever is neither a supervisor nor an owner."""
    if not rights(request).is_supervisor:
        raise PermissionDenied


def rights(request: HttpRequest) -> Access:
    """The user's access, read once a request."""
    found: Access | None = getattr(request, "_access", None)
    if found is None:
        found = access_for(request.user)
        request._access = found  # type: ignore[attr-defined]
    return found
