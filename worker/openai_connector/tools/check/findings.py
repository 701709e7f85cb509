"""What was found: one line a check, with what to do where it is not well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from openai_connector.redaction import Redaction


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    check: str
    """What was looked at, a name that does not change: `engine-dns`."""
    verdict: Verdict
    message: str
    advice: str = ""
    """What to do."""

    def as_text(self) -> str:
        """Return the line for people, and what to do below it."""
        line = f"{self.verdict.value:8} {self.check:16} {_one_line(self.message)}"
        return f"{line}\n{'':25} -> {_one_line(self.advice)}" if self.advice else line

    def as_json(self) -> dict[str, str]:
        """Return the line for programs."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check, Verdict.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """Return that something may be wrong, or will be."""
    return Finding(check, Verdict.WARNING, message, advice)


def failure(check: str, message: str, advice: str) -> Finding:
    """Return that something keeps the worker from its work."""
    return Finding(check, Verdict.FAILURE, message, advice)


def worst(findings: Iterable[Finding]) -> Verdict:
    """Return how it is in all."""
    verdicts = {finding.verdict for finding in findings}
    return next((one for one in (Verdict.FAILURE, Verdict.WARNING) if one in verdicts), Verdict.OK)


def masked(finding: Finding, redaction: Redaction) -> Finding:
    """Return the finding without secrets: servers may repeat what they were sent."""
    return replace(finding, message=redaction.text(finding.message), advice=redaction.text(finding.advice))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
