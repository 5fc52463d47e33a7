"""Who asks: a program by its API key, or a person who is signed in to the dashboard."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission, IsAuthenticated

from callanalytics.errors import NotFoundError
from callanalytics.people.keys import api_key_used
from callanalytics.people.models import ApiKey
from callanalytics.people.selectors import access_for, with_access_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rest_framework.request import Request
    from rest_framework.views import APIView

    from callanalytics.people.models import User

View = TypeVar("View", bound="Callable[..., object]")

WRONG_KEY = "This API key is not known, or it has expired or was revoked."


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer ca_…`."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return known(text.strip())

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"


def known(text: str) -> tuple[User, ApiKey]:
    """Raises AuthenticationFailed, in the same words whatever is wrong with the key."""
    key = api_key_used(text)
    if key is None:
        raise exceptions.AuthenticationFailed(WRONG_KEY)
    return key.membership.user, key


class InScope(BasePermission):
    """Whether a key was made for this; a person's rights are those of their role alone."""

    def __init__(self, scopes: Mapping[str, str]) -> None:
        self.scopes = scopes

    def scope(self, method: str | None) -> str | None:
        return self.scopes.get("GET" if method == "HEAD" else method or "")

    def has_permission(self, request: Request, _view: APIView) -> bool:
        scope = self.scope(request.method)
        if scope is None or not isinstance(request.auth, ApiKey) or scope in request.auth.scopes:
            return True
        raise exceptions.PermissionDenied(f"This API key lacks the scope {scope}.")


def scoped(**scopes: str) -> Callable[[View], View]:
    """Which scope a key needs by method, as in `@scoped(GET="calls:read")`; it stands below `@api_view`."""

    def marked(view: View) -> View:
        view.permission_classes = [IsAuthenticated, partial(InScope, scopes)]  # type: ignore[attr-defined]  # read by api_view
        return view

    return marked


def asking(request: Request) -> User:
    """Who asks; the permission classes have already turned away everybody who is nobody. Raises NotFoundError for a user without a role."""
    user: User | None = getattr(request, "asking_user", None)
    if user is None:
        user = with_access_kept(cast("User", request.user))
        request.asking_user = user  # type: ignore[attr-defined]  # of this request alone
    if access_for(user).is_outsider:
        raise NotFoundError("address for a user without a role")
    return user
