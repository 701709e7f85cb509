"""What every operation offers.

Checked inputs in, a request out, and the answer in a form that is easy to map.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from openai_connector.tasks.operations.fields import Inputs


class Operation(Inputs):
    """One thing that a task may ask of the API."""

    name: ClassVar[str]
    """The value of the input `openai_operation`."""
    label: ClassVar[str]
    """How the dropdown *Operation* names it."""
    about: ClassVar[str]
    """One sentence below that dropdown, to choose by."""
    path: ClassVar[str]
    """Where it is asked, below the base URL."""

    @abstractmethod
    def request_body(self) -> dict[str, Any]:
        """Return the request's JSON body: only what the task gave, nothing added or dropped silently."""

    @abstractmethod
    def missing_in(self, body: Any) -> str | None:
        """Return what a successful answer lacks to be one; None when it is complete."""

    @abstractmethod
    def output(self, request_body: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return the answer in the form that expressions map: `output` of the response."""

    @abstractmethod
    def private_texts(self) -> list[str]:
        """Return the texts that no message and no log may repeat."""

    @classmethod
    @abstractmethod
    def outputs(cls) -> tuple[str, ...]:
        """Return the names of the keys of `output`, for documentation and checks."""
