"""What every view needs at its door: errors of services as answers, outsiders turned away, forms of several submit kinds."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.selectors import access_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access

P = ParamSpec("P")
R = TypeVar("R", bound="HttpResponseBase")


def guarded(view: Callable[Concatenate[HttpRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
    """404 for an outsider and for what the user may not know of, 403 for what they may see but not do. Other errors are the view's."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if rights(request).is_outsider:
            raise Http404("no role")
        try:
            return view(request, *args, **kwargs)
        except NotFoundError as error:
            raise Http404(error.message) from error
        except ApplicationError as error:
            if error.code == "forbidden":
                raise PermissionDenied(error.message) from error
            raise

    return answered


def signed_in(request: HttpRequest) -> User:
    """The user; LoginRequiredMiddleware has already sent everybody else to the login page."""
    return cast("User", request.user)


def rights(request: HttpRequest) -> Access:
    """The user's access, read once a request."""
    found: Access | None = getattr(request, "_access", None)
    if found is None:
        found = access_for(request.user)
        request._access = found  # type: ignore[attr-defined]
    return found
