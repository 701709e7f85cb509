"""What the page needs of an engine: all that its server knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

Json = dict[str, Any]

MOST_LISTED: Final = 1_000
"""Process instances in one list."""


class ViewError(Exception):
    """What the page asks for is not possible.

    Attributes:
        status: of the HTTP answer.
        message: one sentence for people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Filter:
    """Which process instances are wanted."""

    show: str = "all"
    """`all`, `incidents`, `active` or `ended`."""
    process: str = ""
    """Id of the process; empty for all."""
    find: str = ""
    """Part of a name, an id or a key."""
    most: int = 100


class View(Protocol):
    """An engine as the page sees it. All keys are texts: JavaScript's numbers are too small for them."""

    @property
    def version(self) -> str:
        """Changes with every change that `overview` would show."""
        ...

    def overview(self, wanted: Filter) -> Json:
        """Return processes, counts, and the list of process instances."""
        ...

    def process(self, key: int) -> Json:
        """Return where all instances of a process definition stand.

        Raises:
            ViewError: the key is unknown.
        """
        ...

    def instance(self, key: int) -> Json:
        """Return all that is known of a process instance.

        Raises:
            ViewError: the key is unknown.
        """
        ...

    def variable(self, instance: int, scope: int, name: str) -> str:
        """Return the whole JSON of a variable.

        Raises:
            ViewError: there is no such variable.
        """
        ...

    def diagram(self, key: int) -> tuple[bytes, str]:
        """Return the file of a process definition, and the id of the process in it.

        Raises:
            ViewError: the key is unknown.
        """
        ...

    async def deploy(self, files: list[tuple[str, bytes]]) -> Json:
        """Deploy diagrams, all or none.

        Raises:
            ViewError: one of them is refused.
        """
        ...

    async def start(self, process: int, variables: str) -> Json:
        """Start an instance of a process definition, with variables as JSON.

        Raises:
            ViewError: it cannot be started.
        """
        ...

    async def set_variables(self, scope: int, variables: str) -> Json:
        """Write variables (JSON) into the scope of an element instance.

        Raises:
            ViewError: the scope is gone, or the variables cannot be taken.
        """
        ...

    async def retry(self, incident: int) -> Json:
        """Resolve an incident; a job without retries gets one.

        Raises:
            ViewError: it is resolved already.
        """
        ...

    async def cancel(self, instance: int) -> Json:
        """Cancel a process instance.

        Raises:
            ViewError: it has ended, or a call activity has created it.
        """
        ...

    async def complete(self, job: int, variables: str) -> Json:
        """Complete a job by hand, with variables as JSON.

        Raises:
            ViewError: it is done already.
        """
        ...

    async def publish(self, name: str, correlation_key: str, variables: str) -> Json:
        """Send a message to those who wait for it.

        Raises:
            ViewError: the variables cannot be taken.
        """
        ...
