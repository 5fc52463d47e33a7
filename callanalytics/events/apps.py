"""The Django app `events`."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "callanalytics.events"
    label = "events"
    default_auto_field = "django.db.models.BigAutoField"
