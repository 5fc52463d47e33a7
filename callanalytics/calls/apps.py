"""The Django app `calls`."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "callanalytics.calls"
    label = "calls"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from callanalytics import checks  # noqa: F401  # registers them
