"""Every endpoint of the API and its address."""

from __future__ import annotations

from django.urls import path, re_path

from callanalytics.api import batch, calls, endpoints, handovers, intake, reading, reference, uploads

urlpatterns = [
    path("v1/", reference.about, name="api-about"),
    path("v1/openapi.json", reference.openapi, name="api-openapi"),
    path("v1/docs/", reference.reference, name="api-reference"),
    path("v1/calls/", calls.calls, name="api-calls"),
    path("v1/calls/batch/", batch.batch, name="api-calls-batch"),
    path("v1/calls/<uuid:call_id>/", calls.call, name="api-call"),
    path("v1/calls/<uuid:call_id>/reanalyze/", calls.call_reanalyze, name="api-call-reanalyze"),
    path("v1/calls/<uuid:call_id>/objection/", calls.call_objection, name="api-call-objection"),
    path("v1/calls/<uuid:call_id>/transcript/", reading.call_transcript, name="api-call-transcript"),
    path("v1/calls/<uuid:call_id>/flags/", reading.call_flags, name="api-call-flags"),
    path("v1/calls/<uuid:call_id>/segments/", reading.call_segments, name="api-call-segments"),
    path("v1/calls/<uuid:call_id>/measures/", reading.call_measures, name="api-call-measures"),
    path("v1/intake/<slug:provider>/", intake.intake, name="api-intake"),
    path("v1/uploads/", uploads.uploads, name="api-uploads"),
    path("v1/uploads/<uuid:upload_id>/", uploads.upload, name="api-upload"),
    path("v1/flags/", reading.flags, name="api-flags"),
    path("v1/flags/<uuid:flag_id>/", reading.flag, name="api-flag"),
    path("v1/handovers/", handovers.handovers, name="api-handovers"),
    path("v1/handovers/<uuid:handover_id>/", handovers.handover, name="api-handover"),
    path("v1/handovers/<uuid:handover_id>/claim/", handovers.handover_claim, name="api-handover-claim"),
    path("v1/handovers/<uuid:handover_id>/release/", handovers.handover_release, name="api-handover-release"),
    path("v1/handovers/<uuid:handover_id>/resolve/", handovers.handover_resolve, name="api-handover-resolve"),
    path("v1/endpoints/", endpoints.endpoints, name="api-endpoints"),
    path("v1/endpoints/<uuid:endpoint_id>/", endpoints.endpoint, name="api-endpoint"),
    path("v1/endpoints/<uuid:endpoint_id>/rotate-secret/", endpoints.endpoint_rotate, name="api-endpoint-rotate"),
    path("v1/endpoints/<uuid:endpoint_id>/test/", endpoints.endpoint_test, name="api-endpoint-test"),
    path("v1/endpoints/<uuid:endpoint_id>/replay/", endpoints.endpoint_replay, name="api-endpoint-replay"),
    path("v1/endpoints/<uuid:endpoint_id>/deliveries/", endpoints.deliveries, name="api-deliveries"),
    path("v1/deliveries/<uuid:delivery_id>/", endpoints.delivery, name="api-delivery"),
    path("v1/deliveries/<uuid:delivery_id>/replay/", endpoints.delivery_replay, name="api-delivery-replay"),
    re_path("", reference.missing, name="api-missing"),
]
