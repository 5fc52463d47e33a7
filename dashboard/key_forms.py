"""The form of an API key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from django import forms
from django.utils import timezone

from callanalytics.people.models import Team
from callanalytics.people.scopes import Scope
from callanalytics.people.selectors import access_for, teams_uploadable
from dashboard.forms import Described

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from callanalytics.people.models import User

LASTS = ((90, "90 days"), (30, "30 days"), (365, "A year"), (0, "Until it is revoked"))


class KeyDetails(TypedDict):
    name: str
    scopes: list[str]
    team: Team | None
    expires_at: datetime | None


class KeyForm(Described):
    name = forms.CharField(max_length=120, help_text="Who uses it, as in CRM.")
    team = forms.ModelChoiceField(Team.objects.none(), required=False, help_text="With the teams below it.")
    lasts_days = forms.TypedChoiceField(choices=LASTS, coerce=int, label="Good for")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.label} ({scope.value})") for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
        label="It may",
        error_messages={"required": "Choose what the key may do."},
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User) -> None:
        super().__init__(data, initial={"scopes": [Scope.CALLS_READ]})
        team: Any = self.fields["team"]
        team.queryset = teams_uploadable(user)
        is_owner = access_for(user).is_owner
        team.required = not is_owner
        team.empty_label = "All teams" if is_owner else "Choose one"

    def details(self) -> KeyDetails:
        given, days = self.cleaned_data, self.cleaned_data["lasts_days"]
        until = timezone.now() + timedelta(days=days) if days else None
        return {"name": given["name"], "scopes": given["scopes"], "team": given["team"], "expires_at": until}
