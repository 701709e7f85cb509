"""The diagrams of the command line: read and checked before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openai_connector.tools.sandbox.given import WrongUseError

if TYPE_CHECKING:
    from local_engine.diagram.model import Process


@dataclass(frozen=True, slots=True)
class Diagrams:
    """Files that the engine accepts, and the processes in them."""

    files: list[tuple[str, bytes]]
    """Name and content of each."""
    processes: list[Process]
    """In the order of the files."""


def read(paths: Sequence[Path]) -> Diagrams:
    """Read and check diagrams.

    Raises:
        WrongUseError: one cannot be read, or the engine refuses it; the message names the file, the element
            and the reason.
    """
    names = _names(paths)
    files = [(name, _content(path)) for name, path in zip(names, paths, strict=True)]
    return Diagrams(files, _check(files) if files else [])


def chosen(diagrams: Diagrams, process_id: str | None) -> Process:
    """Return the process to be run: the one that is named, else the only one of the first file.

    Raises:
        WrongUseError: there is no such process, there are several, or it cannot be started by itself.
    """
    candidates = [each for each in diagrams.processes if each.resource_name == diagrams.files[0][0]]
    if process_id is not None:
        candidates = [process for process in diagrams.processes if process.id == process_id]
        if not candidates:
            known = _listed(process.id for process in diagrams.processes)
            raise WrongUseError(
                f"There is no executable process {process_id!r} in the diagrams; they have {known}."
            )
    if len(candidates) > 1:
        known = _listed(process.id for process in candidates)
        raise WrongUseError(
            f"{diagrams.files[0][0]} has several processes: name one of {known} with --process."
        )
    (process,) = candidates
    if process.root.start is None:
        raise WrongUseError(
            f"The process {process.id!r} has no none start event, so nobody but a message or a timer starts "
            "it: give it a start event without a symbol, or run it in `openai-connector sandbox`."
        )
    return process


def job_types(processes: Iterable[Process]) -> set[str | None]:
    """Return the types of all jobs that the processes may have; None stands for an expression."""
    return {
        element.job.type.text if element.job.type.is_static else None
        for process in processes
        for element in process.elements.values()
        if element.job is not None
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file: without its folder if that is enough to distinguish them."""
    short = [path.name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUseError(f"The diagram {path} cannot be read ({error.strerror}).") from None


def _check(files: Sequence[tuple[str, bytes]]) -> list[Process]:
    from local_engine.engine import Engine
    from local_engine.errors import Rejection
    from local_engine.storage import Storage

    # An engine for this check only: the one that is started accepts the same diagrams.
    storage = Storage(None)
    try:
        return Engine(storage).deployments.deploy(files)
    except Rejection as refused:
        raise WrongUseError(refusal(refused.message)) from None
    finally:
        storage.close()


def refusal(message: str) -> str:
    """Return what is wrong with the diagrams, without the text around it that is meant for programs."""
    return message.partition("following errors:\n")[2] or message


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
