"""Calls in the admin, to look at: what changes a call goes through its services, so that events and files follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from callanalytics.calls.models import AnalysisRun, Call, Flag

if TYPE_CHECKING:
    from django.http import HttpRequest

    CallAdminBase = admin.ModelAdmin[Call]
    FlagAdminBase = admin.ModelAdmin[Flag]
    RunInlineBase = admin.TabularInline[AnalysisRun, Call]
else:  # Django's classes take no type arguments at run time
    CallAdminBase = FlagAdminBase = admin.ModelAdmin
    RunInlineBase = admin.TabularInline


class ReadOnly:
    """Everything may be looked at, nothing added, changed or deleted."""

    def has_add_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        return False


class RunInline(ReadOnly, RunInlineBase):
    model = AnalysisRun
    fields = readonly_fields = ("created_at", "attempt", "current", "scoring", "code_version", "config_digest")


@admin.register(Call)
class CallAdmin(ReadOnly, CallAdminBase):
    inlines = (RunInline,)
    list_display = ("file_name", "external_id", "team", "agent", "queue", "status", "attempts", "started_at")
    list_filter = ("status", "team", "notice", "objected")
    list_select_related = ("team", "agent", "queue")
    search_fields = ("external_id", "file_name", "customer_reference")
    show_full_result_count = False
    exclude = ("source_url", "source_digest")


@admin.register(Flag)
class FlagAdmin(ReadOnly, FlagAdminBase):
    list_display = ("rule", "severity", "status", "call", "start", "end", "created_at")
    list_filter = ("status", "rule", "severity", "team")
    list_select_related = ("call",)
