"""The Django app `review`."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    name = "callanalytics.review"
    label = "review"
    default_auto_field = "django.db.models.BigAutoField"
