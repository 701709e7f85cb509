"""What every operation offers.

Checked inputs in, a request out, and the answer in a form that is easy to map.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from openai_connector.openai_api import ApiResponse, check_answer
from openai_connector.tasks.operations.fields import Inputs
from openai_connector.tasks.task_type import AnswerNeeded


@dataclass(frozen=True, slots=True)
class Shortfall:
    """How an answer is other than it was asked for."""

    condition: str
    """A code of the contract, such as `ANSWER_NOT_JSON`."""
    problem: str
    """One sentence without its full stop, and without content of the answer."""
    can_ask_again: bool = False
    """Whether the model may do better when it is shown what was wrong."""


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer as its operation reads it."""

    output: dict[str, Any] = field(repr=False)
    """The short form that expressions map."""
    shortfall: Shortfall | None = None


class Operation(Inputs):
    """One thing that a task may ask of the API."""

    name: ClassVar[str]
    """The value of the input `openai_operation`."""
    label: ClassVar[str]
    """How the dropdown *Operation* names it."""
    about: ClassVar[str]
    """One sentence below that dropdown, to choose by."""
    path: ClassVar[str]
    """Where it is asked, below the base URL, unless `asked_path` says otherwise."""

    @property
    def asked_path(self) -> str:
        """Return where this task is asked, below the base URL."""
        return self.path

    @property
    def needed(self) -> AnswerNeeded:
        """Return when the answer is needed."""
        return AnswerNeeded.NOW

    def misfits(self) -> Iterator[str]:
        """Yield what does not fit together among inputs that are right one by one."""
        yield from ()

    def pending(self, body: Any) -> str | None:
        """Return the id of an answer that is still being made; None for one that is final, or no answer."""
        return None

    def check(self, response: ApiResponse) -> None:
        """Check that a response is an answer.

        Raises:
            ApiStatusError, InvalidResponseError: it is none.
        """
        check_answer(response, missing_in=self.missing_in)

    def kept(self, request_body: dict[str, Any], body: Any) -> Any:
        """Return what is kept of an answer's body."""
        return body

    @abstractmethod
    def request_body(self) -> dict[str, Any]:
        """Return the request's JSON body: only what the task gave, nothing added or dropped silently."""

    @abstractmethod
    def missing_in(self, body: Any) -> str | None:
        """Return what a successful answer lacks to be one; None when it is complete."""

    @abstractmethod
    def output(self, request_body: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return the answer in the form that expressions map: `output` of the response."""

    def read_answer(self, request_body: dict[str, Any], body: Any, calls: int = 1) -> ReadAnswer:
        """Return the answer's output, and how it is other than it was asked for.

        Args:
            request_body: what was asked.
            body: of the response.
            calls: how many were made for this answer.
        """
        return ReadAnswer(self.output(request_body, body))

    def reaction(self, request_body: dict[str, Any]) -> str | None:
        """Return what is to become of an answer that is not as asked; None: it is taken as any other."""
        return None

    def body_to_ask_again(
        self, request_body: dict[str, Any], output: dict[str, Any], shortfall: Shortfall
    ) -> dict[str, Any] | None:
        """Return the body of a request that shows the model what was wrong; None: it is not asked again."""
        return None

    @abstractmethod
    def private_texts(self) -> list[str]:
        """Return the texts that no message and no log may repeat."""

    @classmethod
    @abstractmethod
    def outputs(cls) -> tuple[str, ...]:
        """Return the names of the keys of `output`, for documentation and checks; not those of its cost."""
