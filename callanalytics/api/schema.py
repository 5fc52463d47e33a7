"""The API's description as OpenAPI 3.1: what drf-spectacular cannot read from the views."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, OpenApiWebhook, inline_serializer
from rest_framework import serializers

from callanalytics.api.authentication import InScope
from callanalytics.api.errors import MEDIA_TYPE
from callanalytics.api.examples import EXAMPLES
from callanalytics.api.serializers import ProblemSerializer
from callanalytics.events.types import PUBLIC, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.serializers import BaseSerializer

    from callanalytics.events.types import EventType

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="At most 255 characters of your choice. Within 24 hours the same key with the same request is answered as the first was.",
)
PROBLEMS = {
    "401": "No key, or one that is not known, expired or revoked.",
    "403": "The key lacks the scope, or its team the right.",
    "404": "There is none, or none for this key.",
    "429": "Too many requests; Retry-After says for how many seconds to wait.",
    "default": "Something is not as it must be; `detail` says what to do.",
}
JSON_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


class ApiSchema(AutoSchema):
    """Every operation may answer with problem details, has its examples, and its first sentence says what it does."""

    def get_summary(self) -> str:
        return re.split(r"[.:;]\s|\.$", self.get_description(), maxsplit=1)[0]

    def get_examples(self) -> list[OpenApiExample]:
        return list(EXAMPLES.get(self.get_operation_id(), ()))

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, description in PROBLEMS.items():
            answer = OpenApiResponse(ProblemSerializer, description)
            bodies.setdefault(code, self._get_response_for_code(answer, code, [MEDIA_TYPE], direction))  # type: ignore[no-untyped-call]
        return bodies


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass has no types
    """An API key as a bearer token, and the scope that an operation needs."""

    target_class = "callanalytics.api.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, made under Integrations: `Authorization: Bearer ca_…`."}

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[str]]:
        needed = [each.scope(auto_schema.method) for each in auto_schema.view.get_permissions() if isinstance(each, InScope)]
        return {self.name: [scope for scope in needed if scope]}


class BasicKeyScheme(KeyScheme):  # type: ignore[no-untyped-call]  # as above
    """The same as the password of HTTP Basic, at the addresses that other systems call."""

    target_class = "callanalytics.api.intake.BasicKeyAuthentication"
    name = "keyAsPassword"

    def get_security_definition(self, _auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "basic", "description": "An API key as the password, with any user name."}


def page_of(shape: type[BaseSerializer[Any]]) -> Any:
    """One page of a list."""
    return inline_serializer(
        f"{shape.__name__.removesuffix('Serializer')}Page",
        {
            "next": serializers.URLField(allow_null=True, help_text="Where the next page is."),
            "previous": serializers.URLField(allow_null=True),
            "results": shape(many=True),
        },
    )


def _webhook(name: str, known: EventType) -> OpenApiWebhook:
    headers = {
        "webhook-id": "The event's id; the same at every attempt.",
        "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
        "webhook-signature": "One or several signatures, separated by spaces (https://www.standardwebhooks.com).",
    }
    operation = {
        "operationId": f"event_{name.replace('.', '_')}",
        "summary": known.summary,
        "tags": ["events"],
        "parameters": [
            {"in": "header", "name": header, "required": True, "description": text, "schema": {"type": "string"}}
            for header, text in headers.items()
        ],
        "requestBody": {"content": {"application/json": {"schema": _message(name, known), "example": _example(name, known)}}},
        "responses": {"2XX": {"description": "Taken. Anything else, or nothing within 15 s, is tried again."}},
    }
    return OpenApiWebhook(name, {"post": operation})


def _message(name: str, known: EventType) -> dict[str, Any]:
    data = {field: _told(text, known.example.get(field)) for field, text in known.fields.items()}
    data |= {
        "subject": {"type": "string", "description": "The id of what it happened to: the flag's, the call's."},
        "link": {"type": "string", "format": "uri", "description": "Where people look at it."},
    }
    return {
        "type": "object",
        "required": ["id", "type", "schema", "timestamp", "data"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": name},
            "schema": {"const": SCHEMA},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
            "data": {"type": "object", "properties": data},
        },
    }


def _told(text: str, example: object) -> dict[str, Any]:
    kind = JSON_TYPES.get(type(example))
    described: dict[str, Any] = {"description": text}
    return described | ({"type": [kind, "null"] if "null" in text else kind} if kind else {})


def _example(name: str, known: EventType) -> dict[str, Any]:
    data = {**known.example, "subject": "019abf2f-0001-7c3e-8e0a-6b7c1d2e3f40", "link": "https://calls.example.org/"}
    return {
        "id": "019abf31-2c4d-7f10-a2b3-9c8d7e6f5a41",
        "type": name,
        "schema": SCHEMA,
        "timestamp": "2026-01-31T09:31:07+00:00",
        "data": data,
    }


WEBHOOKS = [_webhook(name, known) for name, known in PUBLIC.items()]
