"""The plans by which flags are handed over: one for each team, and one for every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.selectors import teams_uploadable
from callanalytics.routing import plans
from dashboard.board_forms import PlanForm, steps_form
from dashboard.doors import guarded, signed_in, supervisor_required

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from callanalytics.people.models import Team
    from dashboard.board_forms import StepsForm


@require_safe
@guarded
def plan_list(request: HttpRequest) -> HttpResponse:
    supervisor_required(request)
    rows = [{"team": team, "plan": plan, "steps": plans.steps_of(plan)} for team, plan in plans.plan_list(user=signed_in(request))]
    return render(request, "dashboard/plans.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def plan_edit(request: HttpRequest, team_id: int | None = None) -> HttpResponse:
    team = _team(request, team_id)
    plan = plans.plan_get(user=signed_in(request), team=team)
    if request.method == "POST":
        form, steps = PlanForm(request.POST), steps_form(plan, team, request.POST)
        if form.is_valid() and steps.is_valid() and _saved(request, team, form, steps):
            messages.success(request, f"The plan {'for ' + team.name if team else 'for every other team'} is saved.")
            return redirect("plan-list")
    else:
        form, steps = PlanForm.of(plan), steps_form(plan, team)
    context = {"form": form, "steps": steps, "team": team, "plan": plan, "is_own": team is None or plan.team_id == team.id}
    return render(request, "dashboard/plan.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@guarded
def plan_drop(request: HttpRequest, team_id: int) -> HttpResponse:
    team = _team(request, team_id)
    assert team is not None
    plans.plan_drop(user=signed_in(request), team=team)
    messages.success(request, f"{team} goes by the plan for every other team.")
    return redirect("plan-list")


def _team(request: HttpRequest, team_id: int | None) -> Team | None:
    if team_id is None:
        return None
    found = teams_uploadable(signed_in(request)).filter(id=team_id).first()
    if found is None:
        raise NotFoundError("plan")
    return found


def _saved(request: HttpRequest, team: Team | None, form: PlanForm, steps: StepsForm) -> bool:
    try:
        plans.plan_save(user=signed_in(request), team=team, values=form.cleaned_data, steps=list(steps.steps()))
    except ApplicationError as error:
        if error.code != "invalid":
            raise
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return False
    return True
