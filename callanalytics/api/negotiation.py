"""What an answer is written in: in what it is, whatever `Accept` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.negotiation import DefaultContentNegotiation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.renderers import BaseRenderer
    from rest_framework.request import Request


class AsItIs(DefaultContentNegotiation):
    """A transcript is asked for as `text/vtt`, and an error is none of what was asked for: neither is a 406 (RFC 9110, 15.5.7)."""

    def select_renderer(  # type: ignore[override]  # a sequence, as views give it
        self, _request: Request, renderers: Sequence[BaseRenderer], _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type
