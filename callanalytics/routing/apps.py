"""The Django app `routing`."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "callanalytics.routing"
    label = "routing"
    default_auto_field = "django.db.models.BigAutoField"
