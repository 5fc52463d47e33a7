"""Every page of the dashboard and its address."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path

from dashboard.views import actions, board, call, calls, coaching, media, overview, pages, plans, review

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("calls/", calls.call_list, name="call-list"),
    path("calls/upload/", calls.call_upload, name="call-upload"),
    path("calls/<uuid:call_id>/", call.call_detail, name="call-detail"),
    path("calls/<uuid:call_id>/parts/<int:number>/", call.call_part, name="call-part"),
    path("calls/<uuid:call_id>/status/", call.call_status, name="call-status"),
    path("calls/<uuid:call_id>/audio/", media.call_audio, name="call-audio"),
    path("calls/<uuid:call_id>/audio/cleaner/", media.cleaner_audio, name="cleaner-audio"),
    path("calls/<uuid:call_id>/cleaner/", media.cleaner_copy, name="cleaner-copy"),
    path("calls/<uuid:call_id>/peaks/", media.call_peaks, name="call-peaks"),
    path("calls/<uuid:call_id>/transcript/", media.call_transcript, name="call-transcript"),
    path("calls/<uuid:call_id>/swap/", actions.call_swap, name="call-swap"),
    path("calls/<uuid:call_id>/roles/confirm/", actions.call_roles_confirm, name="call-roles-confirm"),
    path("calls/<uuid:call_id>/customer/<int:voice>/", actions.call_customer_set, name="call-customer-set"),
    path("calls/<uuid:call_id>/retry/", actions.call_retry, name="call-retry"),
    path("calls/<uuid:call_id>/delete/", actions.call_delete, name="call-delete"),
    path("calls/<uuid:call_id>/objection/", actions.call_objection, name="call-objection"),
    path("calls/<uuid:call_id>/notes/", coaching.coaching_note_add, name="coaching-note-add"),
    path("flags/<uuid:flag_id>/verdict/", review.flag_verdict, name="flag-verdict"),
    path("review/random/", review.blind_sample, name="blind-sample"),
    path("review/random/<int:sample_id>/", review.blind_sample_judge, name="blind-sample-judge"),
    path("board/", board.board, name="board"),
    path("board/<uuid:handover_id>/claim/", board.handover_claim, name="handover-claim"),
    path("board/<uuid:handover_id>/release/", board.handover_release, name="handover-release"),
    path("board/<uuid:handover_id>/resolve/", board.handover_resolve, name="handover-resolve"),
    path("board/<uuid:handover_id>/assign/", board.handover_assign, name="handover-assign"),
    path("board/plans/", plans.plan_list, name="plan-list"),
    path("board/plans/default/", plans.plan_edit, name="plan-default"),
    path("board/plans/<int:team_id>/", plans.plan_edit, name="plan-edit"),
    path("board/plans/<int:team_id>/drop/", plans.plan_drop, name="plan-drop"),
    path("coaching/", coaching.coaching_list, name="coaching-list"),
    path("coaching/<int:note_id>/read/", coaching.coaching_note_read, name="coaching-note-read"),
    path("help/", pages.help_page, name="help"),
    path("about/", pages.about, name="about"),
    path("login/", auth.LoginView.as_view(template_name="dashboard/login.html", redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
]
