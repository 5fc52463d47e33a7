"""Judging: verdicts on flags, and on random unflagged stretches that are judged blind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from callanalytics.calls import selectors as calls
from callanalytics.errors import ApplicationError
from callanalytics.review import selectors, services
from dashboard import call_page
from dashboard.doors import fragment, guarded, rights, signed_in
from dashboard.forms import VerdictForm
from dashboard.presenting import CLIP_MARGIN_S

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from callanalytics.review.models import BlindSample


@dataclass(frozen=True, slots=True)
class Judged:
    """What the models thought of a stretch, shown once it is judged."""

    answer: str
    models: str
    url: str


@require_POST
@guarded
def flag_verdict(request: HttpRequest, flag_id: UUID) -> HttpResponse:
    """Record a verdict; htmx gets the card again, a plain form goes back to the call."""
    flag = calls.flag_get(user=signed_in(request), flag_id=flag_id)
    form = VerdictForm(request.POST)
    if form.is_valid():
        try:
            services.verdict_record(user=signed_in(request), flag_id=flag_id, **form.cleaned_data)
        except ApplicationError as error:
            form.add_error(None, error.message)
    if fragment(request):
        return _card(request, flag.call_id, flag_id, form=form)
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))
    return redirect(f"{reverse('call-detail', args=[flag.call_id])}#flag-{flag_id}")


@require_safe
@guarded
def blind_sample(request: HttpRequest) -> HttpResponse:
    """Draw a stretch, or show the one that waits. `?last=` tells what the models thought of the one just judged."""
    if not rights(request).is_reader:
        raise PermissionDenied
    return _stretch(request, form=VerdictForm())


@require_POST
@guarded
def blind_sample_judge(request: HttpRequest, sample_id: int) -> HttpResponse:
    sample = selectors.blind_sample_get(user=signed_in(request), sample_id=sample_id)
    form = VerdictForm(request.POST)
    if not form.is_valid():
        return _stretch(request, form=form, status=422)
    try:
        services.blind_verdict_record(user=signed_in(request), sample_id=sample.id, **form.cleaned_data)
    except ApplicationError as error:
        if error.code != "conflict":
            raise
        messages.error(request, error.message)
        return redirect("blind-sample")
    return redirect(f"{reverse('blind-sample')}?last={sample.id}")


def _card(request: HttpRequest, call_id: UUID, flag_id: UUID, *, form: VerdictForm) -> HttpResponse:
    detail = calls.call_detail(user=signed_in(request), call_id=call_id)
    page = call_page.build(detail, rights(request), notes=())
    card = next(card for card in page.cards if card.id == flag_id)
    # htmx swaps a success only; the errors stand in the card.
    return render(request, "dashboard/_flag.html", {"page": page, "card": card, "call": detail.call, "verdict_form": form})


def _stretch(request: HttpRequest, *, form: VerdictForm, status: int = 200) -> HttpResponse:
    user = signed_in(request)
    sample = services.blind_sample_draw(user=user)
    context: dict[str, object] = {"sample": sample, "form": form, "last": _last(request)}
    if sample is not None:
        start, end = max(0.0, sample.start - CLIP_MARGIN_S), sample.end + CLIP_MARGIN_S
        lines = calls.utterance_list(user=user, call_id=sample.call_id, within=(start, end))
        context |= {"clip": (start, end), "lines": lines}
    return render(request, "dashboard/blind.html", context, status=status)


def _last(request: HttpRequest) -> Judged | None:
    """The stretch that this reviewer has just judged."""
    given = request.GET.get("last", "")
    if not given.isdecimal() or len(given) > 18:
        return None
    sample = selectors.blind_sample_get(user=signed_in(request), sample_id=int(given))
    if sample.verdict is None:
        return None
    url = f"{reverse('call-detail', args=[sample.call_id])}?t={sample.start:.1f}"
    return Judged(sample.verdict.answer, _models_thought(request, sample), url)


def _models_thought(request: HttpRequest, sample: BlindSample) -> str:
    rows = calls.utterance_list(user=signed_in(request), call_id=sample.call_id, within=(sample.start, sample.end))
    scores = [row.frustration for row in rows if row.frustration is not None]
    return f"The models put frustration at {max(scores):.0%} at most." if scores else "The models gave no score here."
