"""Endpoints: where events go, whether they arrive, and what to do when they don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from callanalytics.errors import ApplicationError
from callanalytics.routing import endpoints, replays, selectors
from callanalytics.routing.addresses import address_shown
from callanalytics.routing.models import Attempt, EndpointKind
from callanalytics.routing.traffic import what_leaves
from dashboard.doors import fragment, guarded, signed_in, supervisor_required
from dashboard.endpoint_forms import DeliveryFilterForm, EndpointForm, ReplayForm, RotateForm

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PAGE_SIZE = 50
SHOWN_ONCE = "endpoint-secret"
"""Where the session keeps a new secret until it is shown."""


@require_safe
@guarded
def endpoint_list(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    supervisor_required(request)
    healths = [{"health": health, "address": address_shown(health.endpoint)} for health in selectors.endpoint_healths(user=user)]
    return render(request, "dashboard/endpoints.html", {"rows": healths})


@require_safe
@guarded
def egress(request: HttpRequest) -> HttpResponse:
    supervisor_required(request)
    return render(request, "dashboard/egress.html", {"leaves": what_leaves(user=signed_in(request))})


@require_safe
@guarded
def endpoint_kinds(request: HttpRequest) -> HttpResponse:
    """The first step of a new endpoint."""
    supervisor_required(request)
    return render(request, "dashboard/endpoint_kinds.html", {"kinds": EndpointKind})


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def endpoint_new(request: HttpRequest, kind: str) -> HttpResponse:
    user = signed_in(request)
    supervisor_required(request)
    if kind not in EndpointKind.values:
        raise Http404(kind)
    form = EndpointForm(request.POST or None, user=user, kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            shown = endpoints.endpoint_create(user=user, details=form.details())
        except ApplicationError as error:
            form.refuse(error)
        else:
            return _secret_or_page(request, shown, "is made")
    return _form(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def endpoint_edit(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    user = signed_in(request)
    endpoint = selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    form = EndpointForm(request.POST or None, user=user, kind=endpoint.kind, endpoint=endpoint)
    if request.method == "POST" and form.is_valid():
        try:
            endpoints.endpoint_update(user=user, endpoint_id=endpoint_id, details=form.details())
        except ApplicationError as error:
            form.refuse(error)
        else:
            messages.success(request, "The endpoint is saved.")
            return redirect("endpoint-detail", endpoint_id)
    return _form(request, form)


@require_safe
@guarded
def endpoint_detail(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    return _page(request, endpoint_id)


@never_cache
@require_GET
@guarded
def endpoint_secret(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """A new secret, this once."""
    endpoint = selectors.endpoint_get(user=signed_in(request), endpoint_id=endpoint_id)
    of, secret = request.session.pop(SHOWN_ONCE, ("", ""))
    if of != str(endpoint_id):
        return redirect("endpoint-detail", endpoint_id)
    return render(
        request, "dashboard/endpoint_secret.html", {"endpoint": endpoint, "secret": secret, "until": endpoints.old_secret_until(endpoint)}
    )


@require_POST
@guarded
def endpoint_rotate(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    user = signed_in(request)
    selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    form = RotateForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose how long the old secret signs along.")
        return redirect("endpoint-detail", endpoint_id)
    try:
        shown = endpoints.endpoint_rotate_secret(user=user, endpoint_id=endpoint_id, keep_hours=form.cleaned_data["keep_hours"])
    except ApplicationError as error:
        return _told(request, error, endpoint_id)
    return _secret_or_page(request, shown, "has a new secret")


@require_POST
@guarded
def endpoint_switch(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    enabled = request.POST.get("enabled") == "1"
    endpoint = endpoints.endpoint_switch(user=signed_in(request), endpoint_id=endpoint_id, enabled=enabled)
    messages.success(
        request, f"{endpoint} is {'on; what waited is sent now' if enabled else 'off; what it misses can be sent afterwards'}."
    )
    return redirect("endpoint-detail", endpoint_id)


@require_POST
@guarded
def endpoint_delete(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    endpoints.endpoint_delete(user=signed_in(request), endpoint_id=endpoint_id)
    messages.success(request, "The endpoint is deleted, with its log.")
    return redirect("endpoint-list")


@require_POST
@guarded
def endpoint_test(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    try:
        delivery = endpoints.endpoint_test(user=signed_in(request), endpoint_id=endpoint_id)
    except ApplicationError as error:
        return _told(request, error, endpoint_id)
    return redirect("delivery-detail", delivery.id)


@require_POST
@guarded
def endpoint_replay(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """A range of time, shown again where it is none."""
    user, form = signed_in(request), ReplayForm(request.POST)
    selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    if form.is_valid():
        try:
            count = replays.deliveries_replay_range(user=user, endpoint_id=endpoint_id, **form.cleaned_data)
        except ApplicationError as error:
            form.add_error(error.field, error.message)
        else:
            return _replayed(request, endpoint_id, count)
    return _page(request, endpoint_id, replay=form, status=422)


@require_POST
@guarded
def endpoint_replay_failed(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    return _replayed(request, endpoint_id, replays.deliveries_replay_failed(user=signed_in(request), endpoint_id=endpoint_id))


@require_POST
@guarded
def endpoint_hurry(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    return _replayed(request, endpoint_id, replays.deliveries_hurry(user=signed_in(request), endpoint_id=endpoint_id))


@require_safe
@guarded
def delivery_detail(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    """The whole page, or what of it changes while the delivery is on its way."""
    delivery = selectors.delivery_get(user=signed_in(request), delivery_id=delivery_id)
    context = {
        "delivery": delivery,
        "attempts": list(delivery.tries.all()),
        "under_way": delivery.status in delivery.UNDER_WAY,
        "is_late": selectors.is_late(delivery),
        "rests": selectors.is_resting(delivery.endpoint),
    }
    return render(request, "dashboard/_delivery.html" if fragment(request) else "dashboard/delivery.html", context)


@require_POST
@guarded
def delivery_replay(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    try:
        replays.delivery_replay(user=signed_in(request), delivery_id=delivery_id)
    except ApplicationError as error:
        if error.code != "conflict":
            raise
        messages.error(request, error.message)
    return redirect("delivery-detail", delivery_id)


def _form(request: HttpRequest, form: EndpointForm) -> HttpResponse:
    context = {"form": form, "kind": form.kind, "endpoint": form.endpoint}
    return render(request, "dashboard/endpoint_form.html", context, status=422 if request.method == "POST" else 200)


def _page(request: HttpRequest, endpoint_id: UUID, *, replay: ReplayForm | None = None, status: int = 200) -> HttpResponse:
    user = signed_in(request)
    health = selectors.endpoint_health(user=user, endpoint_id=endpoint_id)
    log = DeliveryFilterForm(request.GET)
    briefly = Prefetch("tries", Attempt.objects.defer("request", "response"))
    found = selectors.delivery_list(user=user, endpoint_id=endpoint_id, filters=log.filters()).prefetch_related(briefly)
    rows = list(found[: PAGE_SIZE + 1])
    context = {
        "endpoint": health.endpoint,
        "health": health,
        "address": address_shown(health.endpoint),
        "log": log,
        "deliveries": rows[:PAGE_SIZE],
        "older_url": _older_url(request, rows[PAGE_SIZE - 1].id) if len(rows) > PAGE_SIZE else "",
        "replay": replay or ReplayForm(),
        "rotate": RotateForm(),
    }
    return render(request, "dashboard/endpoint.html", context, status=status)


def _older_url(request: HttpRequest, before: UUID) -> str:
    query = request.GET.copy()
    query["before"] = str(before)
    return f"?{query.urlencode()}#log"


def _secret_or_page(request: HttpRequest, shown: endpoints.Shown, done: str) -> HttpResponse:
    messages.success(request, f"{shown.endpoint} {done}.")
    if not shown.secret:
        return redirect("endpoint-detail", shown.endpoint.id)
    request.session[SHOWN_ONCE] = (str(shown.endpoint.id), shown.secret)
    return redirect("endpoint-secret", shown.endpoint.id)


def _told(request: HttpRequest, error: ApplicationError, endpoint_id: UUID) -> HttpResponse:
    """What cannot be done now is told on the endpoint's page; what may not be done is the door's."""
    if error.code in ("forbidden", "not_found"):
        raise error
    messages.error(request, error.message)
    return redirect("endpoint-detail", endpoint_id)


def _replayed(request: HttpRequest, endpoint_id: UUID, count: int) -> HttpResponse:
    told = f"{count} {'delivery is' if count == 1 else 'deliveries are'} sent again." if count else "There is nothing to send again."
    messages.success(request, told)
    return redirect("endpoint-detail", endpoint_id)
