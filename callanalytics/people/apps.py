"""The Django app `people`."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "callanalytics.people"
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
