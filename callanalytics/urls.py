"""All addresses: the dashboard at the root, the API under /api/, the admin under /admin/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("callanalytics.api.urls")),
    path("", include("dashboard.urls")),
]

handler400 = "callanalytics.api.errors.bad_request"
handler500 = "callanalytics.api.errors.server_error"
