"""Teams, agents, queues and roles in the admin: where an owner sets the platform up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from callanalytics.people.models import Agent, Membership, Queue, Team, User

if TYPE_CHECKING:
    MembershipInlineBase = admin.TabularInline[Membership, User]
    PersonAdminBase = UserAdmin[User]
    TeamAdminBase = admin.ModelAdmin[Team]
    AgentAdminBase = admin.ModelAdmin[Agent]
    QueueAdminBase = admin.ModelAdmin[Queue]
else:  # Django's classes take no type arguments at run time
    MembershipInlineBase = admin.TabularInline
    PersonAdminBase = UserAdmin
    TeamAdminBase = AgentAdminBase = QueueAdminBase = admin.ModelAdmin


class MembershipInline(MembershipInlineBase):
    model = Membership
    extra = 0


@admin.register(User)
class PersonAdmin(PersonAdminBase):
    inlines = (MembershipInline,)
    list_display = ("username", "email", "is_active", "is_superuser", "last_login")


@admin.register(Team)
class TeamAdmin(TeamAdminBase):
    list_display = ("name", "parent")
    search_fields = ("name",)
    list_select_related = ("parent",)


@admin.register(Agent)
class AgentAdmin(AgentAdminBase):
    list_display = ("code", "name", "team", "user")
    list_filter = ("team",)
    search_fields = ("code", "name")
    list_select_related = ("team", "user")
    autocomplete_fields = ("team", "user")


@admin.register(Queue)
class QueueAdmin(QueueAdminBase):
    list_display = ("name", "team", "scoring")
    list_filter = ("scoring",)
    list_editable = ("scoring",)
    list_select_related = ("team",)
