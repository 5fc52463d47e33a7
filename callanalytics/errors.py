"""The one error that services raise on purpose, for a door (page, API, command) to show to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


class ApplicationError(Exception):
    """Says in plain words what was wrong and what to do.

    `code` is stable for programs: `invalid`, `forbidden`, `not_found`, `conflict`, `under_way`, `locked`, `too_large`, `unprocessable`,
    `checksum`, `no_space`. `subject` is the id of what is in the way, where the user may know of it.
    """

    def __init__(self, message: str, *, code: str = "invalid", field: str | None = None, subject: UUID | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.subject = subject


class NotFoundError(ApplicationError):
    """There is no such thing, or the user may not know that there is."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.", code="not_found")
