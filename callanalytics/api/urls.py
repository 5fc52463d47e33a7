"""Every endpoint of the API and its address."""

from __future__ import annotations

from django.urls import path, re_path

from callanalytics.api import views

urlpatterns = [
    path("calls/", views.calls, name="api-calls"),
    path("calls/<uuid:call_id>/", views.call, name="api-call"),
    path("calls/<uuid:call_id>/retry/", views.call_retry, name="api-call-retry"),
    path("calls/<uuid:call_id>/objection/", views.call_objection, name="api-call-objection"),
    re_path(r"^(?P<path>.*)$", views.missing, name="api-missing"),
]
