"""The Django app `privacy`."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "callanalytics.privacy"
    label = "privacy"
    default_auto_field = "django.db.models.BigAutoField"
