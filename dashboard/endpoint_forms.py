"""Forms of endpoints and of the log of what was sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from callanalytics.events.types import PUBLIC, TEST
from callanalytics.people.models import Team
from callanalytics.people.selectors import access_for, teams_uploadable
from callanalytics.routing.addresses import address_shown
from callanalytics.routing.endpoints import KEEP_HOURS, EndpointDetails, endpoint_details
from callanalytics.routing.models import EndpointKind
from callanalytics.routing.outbox import types_for
from callanalytics.routing.selectors import DeliveryFilters
from dashboard import words
from dashboard.forms import Described, midnight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callanalytics.errors import ApplicationError
    from callanalytics.people.models import User
    from callanalytics.routing.models import Endpoint

GROUPS = {"flag": "Flags", "handover": "Handovers", "call": "Calls", "review": "Reviews", "endpoint": "Endpoints"}
SEVERITIES = (("", "Every severity"), ("medium", "Medium and high"), ("high", "High only"))
DIGESTS = ((0, "At once"), (5, "5 minutes"), (15, "15 minutes"), (60, "An hour"), (1440, "A day"))
KEEP = ((0, "Not at all: the old secret leaked"), (1, "1 hour"), (KEEP_HOURS, "24 hours"), (168, "7 days"))
ADDRESS = {
    EndpointKind.WEBHOOK: ("URL", "Begins with https://. Addresses on your premises need CALLANALYTICS_EGRESS_ALLOW."),
    EndpointKind.SLACK: ("Webhook URL", "As Slack, Mattermost or another compatible chat shows it for an incoming webhook."),
    EndpointKind.PAGERDUTY: ("Routing key", "The integration key of “Events API v2” on the service in PagerDuty, 32 letters and digits."),
    EndpointKind.EMAIL: ("E-mail addresses", "One or more, with commas between them."),
}
SECRET_ADDRESS = frozenset({EndpointKind.SLACK, EndpointKind.PAGERDUTY})
"""Kinds whose address is itself a secret, and is not shown again."""


class EndpointForm(Described):
    name = forms.CharField(max_length=120, help_text="What people here know it by.")
    address = forms.CharField(max_length=2000)
    types = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple, label="Events")
    teams = forms.ModelMultipleChoiceField(Team.objects.none(), required=False, widget=forms.CheckboxSelectMultiple)
    severity = forms.ChoiceField(
        choices=SEVERITIES, required=False, label="Flags of", help_text="Events that are not about a flag come anyway."
    )
    ordered = forms.BooleanField(
        required=False,
        label="In order",
        help_text="Events of one call or flag wait for the one before, also while that is tried again. Without it, use the timestamp.",
    )
    digest_minutes = forms.TypedChoiceField(choices=DIGESTS, coerce=int, label="One mail gathers", initial=15)

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User, kind: str, endpoint: Endpoint | None = None) -> None:
        super().__init__(data, initial=_initial(endpoint) if endpoint else None)
        self.kind, self.endpoint = EndpointKind(kind), endpoint
        own: Any = self.fields
        own["types"].choices = [(type, type) for type in types_for(kind) if type != TEST]
        own["teams"].queryset = teams_uploadable(user)
        is_owner = access_for(user).is_owner
        own["teams"].required = not is_owner
        own["teams"].help_text = "None: all teams." if is_owner else "Events of these teams only."
        own["address"].label, own["address"].help_text = ADDRESS[self.kind]
        if endpoint is not None and self.kind in SECRET_ADDRESS:
            own["address"].required = False
            own["address"].help_text = f"Now {address_shown(endpoint)}. Leave it empty to keep it."
        for name in self._without():
            del self.fields[name]

    def _without(self) -> tuple[str, ...]:
        """Fields that make no sense for the kind."""
        mail = () if self.kind == EndpointKind.EMAIL else ("digest_minutes",)
        order = ("ordered",) if self.kind in (EndpointKind.EMAIL, EndpointKind.PAGERDUTY) else ()
        return (*mail, *order)

    def groups(self) -> list[tuple[str, list[tuple[Any, str]]]]:
        """The types by what they are about, each with its explanation."""
        found: dict[str, list[tuple[Any, str]]] = {}
        for box in self["types"]:
            type = str(box.data["value"])
            found.setdefault(GROUPS.get(type.partition(".")[0], "Other"), []).append((box, PUBLIC[type].summary))
        return list(found.items())

    def details(self) -> EndpointDetails:
        given = self.cleaned_data
        return EndpointDetails(
            name=given["name"],
            kind=self.kind,
            address=given["address"] or (self.endpoint.address if self.endpoint else ""),
            types=tuple(given["types"]),
            team_ids=frozenset(team.id for team in given["teams"]),
            severity=given["severity"],
            ordered=given.get("ordered", False),
            digest_minutes=given.get("digest_minutes", 0),
        )

    def refuse(self, error: ApplicationError) -> None:
        self.add_error(error.field if error.field in self.fields else None, error.message)


def _initial(endpoint: Endpoint) -> dict[str, Any]:
    known = endpoint_details(endpoint)
    shown = "" if endpoint.kind in SECRET_ADDRESS else endpoint.address
    return {
        "name": known.name,
        "address": shown,
        "types": list(known.types),
        "teams": list(known.team_ids),
        "severity": known.severity,
        "ordered": known.ordered,
        "digest_minutes": known.digest_minutes,
    }


class RotateForm(Described):
    keep_hours = forms.TypedChoiceField(choices=KEEP, coerce=int, initial=KEEP_HOURS, label="The old secret signs along for")


class ReplayForm(Described):
    since = forms.DateTimeField(label="From (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    until = forms.DateTimeField(label="To (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))


class DeliveryFilterForm(Described):
    """The filters of the log; anything that makes no sense narrows nothing."""

    status = forms.ChoiceField(required=False, label="State", choices=[("", "All"), *words.DELIVERY_STATUS.items()])
    type = forms.ChoiceField(required=False, label="Event", choices=[("", "All"), *((type, type) for type in PUBLIC)])
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    @property
    def is_narrowed(self) -> bool:
        return any(value for name, value in self._given().items() if name != "before")

    def filters(self) -> DeliveryFilters:
        given = self._given()
        return DeliveryFilters(
            status=given.get("status") or "",
            type=given.get("type") or "",
            since=midnight(given.get("since")),
            until=midnight(given.get("until"), days=1),
            before=given.get("before"),
        )

    def _given(self) -> dict[str, Any]:
        self.is_valid()
        return {name: self.cleaned_data.get(name) for name in self.fields}
