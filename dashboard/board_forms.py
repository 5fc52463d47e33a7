"""Forms of the board and of its plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms

from analysis.words import RULES
from callanalytics.people.models import Team, User
from callanalytics.people.selectors import reviewers_of, teams_readable
from callanalytics.routing.board import HandoverFilters
from callanalytics.routing.models import Outcome, SeverityChoice, TargetChoice
from callanalytics.routing.plans import FIELDS, MOST_STEPS, NewStep, endpoints_for, steps_of
from dashboard.forms import Described

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.forms import BoundField

    from callanalytics.routing.models import EscalationStep, RoutingPlan

WEEKDAYS = tuple(enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")))
BLANK_STEPS = 2
"""Shown below those that there are."""


class BoardFilterForm(Described):
    """The filters of the board; anything that makes no sense narrows nothing."""

    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label="All")
    severity = forms.ChoiceField(required=False, choices=[("", "All"), *SeverityChoice.choices])
    whose = forms.ChoiceField(required=False, label="Whose", choices=(("", "Everybody’s"), ("mine", "Mine")))

    def __init__(self, data: Mapping[str, Any], *, user: User) -> None:
        super().__init__(data)
        team: Any = self.fields["team"]
        team.queryset = teams_readable(user)
        self.is_valid()

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.values())

    @property
    def team_id(self) -> int | None:
        team: Team | None = self.cleaned_data.get("team")
        return None if team is None else team.pk

    def filters(self, *statuses: str) -> HandoverFilters:
        given = self.cleaned_data
        return HandoverFilters(
            statuses=statuses, team_id=self.team_id, severity=given.get("severity") or "", mine=given.get("whose") == "mine"
        )


class ResolveForm(Described):
    outcome = forms.ChoiceField(
        choices=Outcome, error_messages={"required": "Say what came of it.", "invalid_choice": "Say what came of it."}
    )
    note = forms.CharField(required=False, max_length=1000)


class AssignForm(Described):
    person = forms.ModelChoiceField(
        User.objects.none(), error_messages={"required": "Choose somebody.", "invalid_choice": "Choose somebody."}
    )

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person: Any = self.fields["person"]
        person.queryset = reviewers_of(team)


class PlanForm(Described):
    enabled = forms.BooleanField(required=False, label="Hand flags over", help_text="Off: flags stay on the pages of their calls.")
    severity = forms.ChoiceField(choices=SeverityChoice, label="Least severity")
    rules = forms.MultipleChoiceField(
        choices=list(RULES.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Only flags for",
        help_text="All of them where none is ticked.",
    )
    max_age_hours = forms.IntegerField(
        min_value=1, max_value=24 * 365, label="Oldest call, in hours", help_text="A batch of old calls opens nothing."
    )
    debounce_seconds = forms.IntegerField(
        min_value=0,
        max_value=3600,
        label="Wait before opening, in seconds",
        help_text="A flag that is taken back meanwhile opens nothing; a change begins the wait anew.",
    )
    cool_down_minutes = forms.IntegerField(
        min_value=0,
        max_value=60 * 24 * 30,
        label="Cool-down for a customer, in minutes",
        help_text="Further calls with the same customer reference open nothing meanwhile. The same call never does.",
    )
    quiet_from = forms.TimeField(required=False, label="From", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    quiet_to = forms.TimeField(required=False, label="To", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    quiet_zone = forms.ChoiceField(label="Time zone", choices=lambda: [(name, name) for name in sorted(available_timezones())])
    quiet_days = forms.TypedMultipleChoiceField(
        choices=WEEKDAYS, coerce=int, required=False, widget=forms.CheckboxSelectMultiple, label="Quiet all day on"
    )

    @classmethod
    def of(cls, plan: RoutingPlan) -> PlanForm:
        return cls(initial={name: getattr(plan, name) for name in FIELDS})

    def what(self) -> list[BoundField]:
        return [self[name] for name in ("severity", "max_age_hours")]

    def once(self) -> list[BoundField]:
        return [self[name] for name in ("debounce_seconds", "cool_down_minutes")]

    def quiet(self) -> list[BoundField]:
        return [self[name] for name in ("quiet_from", "quiet_to", "quiet_zone")]


class StepForm(Described):
    target = forms.ChoiceField(required=False, label="Tell")
    minutes = forms.IntegerField(required=False, min_value=1, max_value=60 * 24 * 30, label="Minutes to claim")

    def __init__(self, *args: Any, targets: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        target: Any = self.fields["target"]
        target.choices = targets

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("target") and not cleaned.get("minutes") and "minutes" not in self.errors:
            self.add_error("minutes", "Say how long there is to claim.")
        return cleaned


if TYPE_CHECKING:
    StepsFormBase = forms.BaseFormSet[StepForm]
else:
    StepsFormBase = forms.BaseFormSet


class StepsForm(StepsFormBase):
    """The steps of a plan; rows without a target are left out."""

    def steps(self) -> Iterator[NewStep]:
        for form in self.forms:
            kind, _, who = form.cleaned_data.get("target", "").partition(":")
            if kind:
                minutes = form.cleaned_data["minutes"]
                person = int(who) if kind == TargetChoice.PERSON else None
                yield NewStep(minutes, kind, person_id=person, endpoint_id=who if kind == TargetChoice.ENDPOINT else None)


def steps_form(plan: RoutingPlan, team: Team | None, data: Mapping[str, Any] | None = None) -> StepsForm:
    there_are = [{"target": _code(step), "minutes": step.claim_within_minutes} for step in steps_of(plan)]
    rows = forms.formset_factory(StepForm, StepsForm, extra=min(BLANK_STEPS, MOST_STEPS - len(there_are)), max_num=MOST_STEPS)
    made: Any = rows(data, initial=there_are, prefix="step", form_kwargs={"targets": _targets(team)})
    found: StepsForm = made
    return found


def _targets(team: Team | None) -> list[Any]:
    people = [(f"person:{person.pk}", person.get_full_name() or person.username) for person in reviewers_of(team)]
    systems = [(f"endpoint:{endpoint.pk}", endpoint.name) for endpoint in endpoints_for(team)]
    groups = [("People", people), ("Other systems", systems)]
    return [("", "–"), ("queue", "The team’s board"), *((name, entries) for name, entries in groups if entries)]


def _code(step: EscalationStep) -> str:
    if step.person_id is not None:
        return f"person:{step.person_id}"
    return "queue" if step.endpoint_id is None else f"endpoint:{step.endpoint_id}"
