"""The one error the library raises on purpose; it carries the caller's decision."""


class AnalysisError(Exception):
    """Says in plain words what was wrong and what to do.

    `permanent` is true when trying again cannot help (the file is broken), false when it may (a full disk).
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
