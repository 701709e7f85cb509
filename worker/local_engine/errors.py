"""What can go wrong: a command that is refused, an element that cannot go on, an engine that cannot work."""

from __future__ import annotations


class EngineError(Exception):
    """The engine cannot start or cannot go on; the message is one sentence with what to do."""


class Rejection(Exception):  # noqa: N818 - the protocol's word
    """A command is refused and has changed nothing.

    Attributes:
        status: name of the gRPC status code, such as `NOT_FOUND`.
        message: one sentence for the caller.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Trouble(Exception):  # noqa: N818 - becomes an incident, and is no error of ours
    """An element cannot go on: it becomes an incident, whose resolution tries the same step again.

    Attributes:
        type: the incident's type in Zeebe's words, such as `EXTRACT_VALUE_ERROR`.
        message: what was wrong.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message


class DiagramError(Exception):
    """A diagram is refused at deployment; the message names the element and the reason."""


class ExpressionError(Exception):
    """An expression failed, or its result does not have the type that is needed."""
