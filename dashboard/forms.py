"""Forms: what people type, checked and turned into what services and selectors take."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django import forms

from callanalytics.calls.ingest import NewCall
from callanalytics.calls.models import CallStatus, Direction, Notice
from callanalytics.calls.selectors import CallFilters
from callanalytics.people import selectors, services
from callanalytics.people.models import Agent, Queue, ScoringChoice, Team
from callanalytics.review.models import Answer
from dashboard import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.core.files.uploadedfile import UploadedFile
    from django.forms import BoundField

    from callanalytics.people.models import User

CHANNELS = (
    ("", "Work it out from the call"),
    ("agent,customer", "Left agent, right customer"),
    ("customer,agent", "Left customer, right agent"),
    ("customer", "One channel, customer only"),
    ("agent", "One channel, agent only"),
)


class Described(forms.Form):
    """A form whose invalid fields say so to a screen reader (Django 5.2 links help texts itself)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


class FileInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files at once: gives a list of them."""

    widget = FileInput(attrs={"accept": "audio/*,video/webm,video/mp4,.gsm,.amr,.3gp,.wma,.opus"})

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        given = data if isinstance(data, list | tuple) else [data]
        # An empty file is the service's to refuse, by its name and beside the others.
        return [super(FilesField, self).clean(item, initial) for item in given or [None]]


class UploadForm(Described):
    recordings = FilesField(
        label="Recordings",
        allow_empty_file=True,
        max_length=255,
        error_messages={"required": "Choose at least one recording.", "max_length": "The file name is longer than 255 characters."},
    )
    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label="The agent’s or queue’s team")
    agent = forms.CharField(required=False, max_length=60, help_text="The agent’s id, as in A17; a new one is added.")
    queue = forms.CharField(required=False, max_length=120, help_text="A new one is added.")
    channels = forms.ChoiceField(choices=CHANNELS, required=False, label="Who is on which channel")
    direction = forms.ChoiceField(choices=Direction, required=False)
    started_at = forms.DateTimeField(
        required=False, label="Started (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), help_text="Now, if left empty."
    )
    external_id = forms.CharField(required=False, max_length=120, label="Call id", help_text="In your contact center; for one file only.")
    customer_reference = forms.CharField(required=False, max_length=120, label="Customer reference")
    language = forms.CharField(required=False, max_length=16, help_text="Two letters, as in en; heard from the call if left empty.")
    notice = forms.ChoiceField(choices=Notice, label="Was the caller told of the analysis?", initial=Notice.UNKNOWN, required=False)
    scoring = forms.ChoiceField(choices=[("", "As the queue says"), *ScoringChoice.choices], required=False)
    objected = forms.BooleanField(
        required=False, label="The caller objected", help_text="Transcribed and measured, never scored for emotion."
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        teams = selectors.teams_uploadable(user)
        team: Any = self.fields["team"]
        team.queryset = teams
        if not selectors.access_for(user).is_owner:
            team.required = True
            team.empty_label = None if teams.count() == 1 else "Choose"
        for name in ("agent", "queue"):
            self.fields[name].widget.attrs["list"] = f"{name}s"

    def about(self) -> list[BoundField]:
        names = ("team", "agent", "queue", "channels", "direction", "started_at", "external_id", "customer_reference", "language")
        return [self[name] for name in names]

    def privacy(self) -> list[BoundField]:
        return [self[name] for name in ("notice", "scoring", "objected")]

    def agents(self) -> list[str]:
        return list(selectors.agents_visible(self.user).values_list("code", flat=True)[:500])

    def queues(self) -> list[str]:
        return list(selectors.queues_visible(self.user).values_list("name", flat=True)[:500])

    def clean_agent(self) -> str:
        return self._visible("agent", Agent.objects.filter(code=self._typed("agent")), selectors.agents_visible(self.user))

    def clean_queue(self) -> str:
        return self._visible("queue", Queue.objects.filter(name=self._typed("queue")), selectors.queues_visible(self.user))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("external_id") and len(cleaned.get("recordings") or []) > 1:
            self.add_error("external_id", "A call id belongs to one recording; leave it empty for several.")
        return cleaned

    def details(self) -> Iterator[tuple[UploadedFile[Any], NewCall]]:
        """Each file with what is known of its call."""
        known = dict(self.cleaned_data)
        recordings = known.pop("recordings")
        known["agent"], known["queue"] = services.agent_and_queue(known["agent"], known["queue"], known["team"])
        known["channels"] = tuple(filter(None, known["channels"].split(",")))
        known["notice"] = known["notice"] or Notice.UNKNOWN
        for recording in recordings:
            yield recording, NewCall(file_name=recording.name or "recording", **known)

    def _typed(self, name: str) -> str:
        return str(self.cleaned_data[name]).strip()

    def _visible(self, name: str, known: Any, visible: Any) -> str:
        """A supervisor must not hand a call to another team's agent or queue by typing its name."""
        typed = self._typed(name)
        if typed and known.exists() and not visible.filter(pk__in=known).exists():
            raise forms.ValidationError(f"There is {name} “{typed}” in another team already; you cannot use it.")
        return typed


class CallFilterForm(Described):
    """The filters of the call list; anything that makes no sense narrows nothing."""

    text = forms.CharField(
        required=False, label="Search", widget=forms.SearchInput(attrs={"placeholder": "Call id, customer reference, file name"})
    )
    status = forms.ChoiceField(
        required=False, label="State", choices=[("", "All"), *((value, words.STATUS[value]) for value in CallStatus.values)]
    )
    queue = forms.ModelChoiceField(Queue.objects.none(), required=False, empty_label="All")
    agent = forms.ModelChoiceField(Agent.objects.none(), required=False, empty_label="All")
    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label="All")
    flagged = forms.ChoiceField(
        required=False, label="Flags", choices=(("", "All"), ("yes", "Flagged"), ("no", "Not flagged"), ("unscored", "Not scored"))
    )
    disagreement = forms.ChoiceField(required=False, label="Voice and words", choices=(("", "All"), ("yes", "Disagree")))
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Mapping[str, Any], *, user: User) -> None:
        super().__init__(data)
        access = selectors.access_for(user)
        querysets: dict[str, Any] = {
            "queue": selectors.queues_visible(user),
            "agent": selectors.agents_visible(user),
            "team": selectors.teams_readable(user),
        }
        for name, queryset in querysets.items():
            field: Any = self.fields[name]
            field.queryset = queryset
        if not access.is_reader:
            for name in ("queue", "agent", "team", "flagged", "disagreement"):
                del self.fields[name]

    @property
    def is_narrowed(self) -> bool:
        return any(self.given.values())

    @property
    def given(self) -> dict[str, Any]:
        """What was filled in and is valid."""
        self.is_valid()
        return {name: self.cleaned_data.get(name) for name in self.fields}

    def filters(self) -> CallFilters:
        given = self.given
        return CallFilters(
            status=given.get("status") or "",
            team_id=_id(given.get("team")),
            queue_id=_id(given.get("queue")),
            agent_id=_id(given.get("agent")),
            flagged={"yes": True, "no": False}.get(given.get("flagged") or ""),
            unscored=given.get("flagged") == "unscored",
            disagreement=True if given.get("disagreement") else None,
            text=given.get("text") or "",
            since=midnight(given.get("since")),
            until=midnight(given.get("until"), days=1),
        )


class VerdictForm(Described):
    answer = forms.ChoiceField(choices=Answer, error_messages={"required": "Choose a verdict.", "invalid_choice": "Choose a verdict."})
    reason = forms.CharField(required=False, max_length=1000)


class CoachingNoteForm(Described):
    text = forms.CharField(max_length=4000, widget=forms.Textarea, error_messages={"required": "Write what the agent should know."})
    flag = forms.UUIDField(required=False)


class DeleteForm(Described):
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why the call is deleted; the receipt keeps it."})


class ObjectionForm(Described):
    objected = forms.TypedChoiceField(choices=(("1", "yes"), ("0", "no")), coerce=lambda value: value == "1")


def _id(row: Agent | Queue | Team | None) -> int | None:
    return None if row is None else row.pk


def midnight(day: dt.date | None, *, days: int = 0) -> dt.datetime | None:
    """The start of a day in UTC, some days on; None where that is past the calendar's end."""
    if day is None:
        return None
    try:
        return dt.datetime.combine(day + dt.timedelta(days=days), dt.time(), dt.UTC)
    except OverflowError:
        return None
