"""Values of the command line: variables and the answers of jobs, as JSON or from files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class WrongUseError(Exception):
    """Something on the command line cannot be used; the message is one sentence that names it."""


def json_object(text: str, option: str) -> dict[str, Any]:
    """Read a JSON object from a text, from a file (`@FILE`) or from standard input (`@-`).

    Raises:
        WrongUseError: it cannot be read, or is no JSON object.
    """
    content = _content(text, option)
    try:
        value = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise WrongUseError(f"{option}: the JSON is nested too deep; make it flatter.") from None
    except ValueError as error:
        raise WrongUseError(
            f"{option}: {_shown(text)} is no JSON ({error}); "
            """give an object such as '{"name": "value"}', or @FILE."""
        ) from None
    if not isinstance(value, dict):
        raise WrongUseError(
            f'{option} must be a JSON object such as {{"name": "value"}}, got {_shown(content)}.'
        )
    return value


class Answers:
    """The variables that jobs of other types are completed with: each answer once, the last one again."""

    def __init__(self, given: list[str]) -> None:
        """Read `TYPE=JSON` or `TYPE=@FILE`; a type may be given several times.

        Raises:
            WrongUseError: one of them cannot be read.
        """
        self._by_type: dict[str, list[dict[str, Any]]] = {}
        for each in given:
            job_type, equals, text = each.partition("=")
            if not equals or not job_type.strip():
                raise WrongUseError(f"--job must be TYPE=JSON or TYPE=@FILE, got {_shown(each)}.")
            variables = json_object(text, f"--job {job_type}")
            self._by_type.setdefault(job_type.strip(), []).append(variables)

    def __contains__(self, job_type: object) -> bool:
        return job_type in self._by_type

    @property
    def types(self) -> set[str]:
        """The job types that are answered."""
        return set(self._by_type)

    def next(self, job_type: str) -> dict[str, Any]:
        """Return the next answer of a type."""
        answers = self._by_type[job_type]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _content(text: str, option: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        if text == "@-":
            return sys.stdin.read()
        return Path(text[1:]).read_text("utf-8-sig")
    except OSError as error:
        raise WrongUseError(f"{option}: the file {text[1:]} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise WrongUseError(f"{option}: the file {text[1:]} is no UTF-8 text.") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= 60 else f"'{line[:60]}…'"
