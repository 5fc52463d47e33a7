"""The one error that services raise on purpose, for a door (page, API, command) to show to a person."""

from __future__ import annotations


class ApplicationError(Exception):
    """Says in plain words what was wrong and what to do.

    `code` is stable for programs: `invalid`, `forbidden`, `not_found`, `conflict`, `too_large`, `no_space`.
    """

    def __init__(self, message: str, *, code: str = "invalid", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field


class NotFoundError(ApplicationError):
    """There is no such thing, or the user may not know that there is."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.", code="not_found")
