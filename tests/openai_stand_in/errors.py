"""What the API says when it does not do what it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_HEADERS: Mapping[str, str] = {}


class ApiError(Exception):
    """An error in the published shape.

    Args:
        status: of HTTP.
        message: for people.
        code: what programs read; often missing.
        param: the part of the request that is meant.
        kind: the error's `type`.
        headers: beside the usual ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


class InvalidRequestError(ApiError):
    """A request that no well-made client sends; the stand-in complains of it besides."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, message, code=code, param=param)


def not_found(what: str, name: str) -> ApiError:
    """Return the error for an id that is unknown, deleted or expired."""
    return ApiError(404, f"No {what} found with id '{name}'.", param="id")
