"""The command `openai-connector lint`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from datetime import date
from pathlib import Path

from openai_connector.commands.arguments import read_day
from openai_connector.commands.console import say
from openai_connector.commands.templates import add_job_type
from openai_connector.tools.diagrams.lint import Finding, check
from openai_connector.tools.diagrams.markup import DiagramError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Check the tasks of this connector, and those of Camunda's own OpenAI templates,\n"
        "before they run: inputs, expressions, secrets, models. Literals are checked by\n"
        "the worker's own code."
    )
    parser.epilog = """\
examples:
  openai-connector lint order.bpmn
  openai-connector lint --json diagrams/*.bpmn

exit status: 0 (warnings included), 1 when an error was found or a file cannot be read, 2 for wrong use."""
    parser.add_argument("diagrams", type=Path, nargs="+", metavar="DIAGRAM.bpmn")
    parser.add_argument("--json", action="store_true", help="print a JSON array of findings")
    add_job_type(parser, "of this connector")
    parser.add_argument(
        "--today",
        type=read_day,
        default=None,
        metavar="DATE",
        help="the day on which models are looked up, YYYY-MM-DD",
    )


def run(namespace: argparse.Namespace) -> int:
    """Check the diagrams and print what was found."""
    today = namespace.today or date.today()
    found: list[tuple[Path, Finding]] = []
    for path in namespace.diagrams:
        found += [(path, finding) for finding in _check(path, today, namespace.job_type)]
    if namespace.json:
        # In ASCII: what reads it need not know this console's encoding.
        print(json.dumps([_as_json(path, finding) for path, finding in found], indent=2))
    else:
        count = Counter(finding.severity for _, finding in found)
        say(
            *(_as_text(path, finding) for path, finding in found),
            f"{_number(count['error'], 'error')}, {_number(count['warning'], 'warning')}",
        )
    return 1 if any(finding.severity == "error" for _, finding in found) else 0


def _check(path: Path, today: date, job_type: str) -> list[Finding]:
    try:
        return check(path.read_bytes(), today, job_type=job_type)
    except DiagramError as error:
        return [Finding("unreadable", "error", f"The file {error}", error.line)]
    except OSError as error:
        return [Finding("unreadable", "error", f"The file cannot be read: {error.strerror}", 1)]


def _as_text(path: Path, finding: Finding) -> str:
    name = f' "{finding.element_name}"' if finding.element_name else ""
    indented = finding.message.replace("\n", "\n    ")  # the caret below a place in an expression
    where = f"{finding.element_id}{name}: " if finding.element_id else ""
    return f"{path}:{finding.line}: {finding.severity}: {where}{indented}"


def _as_json(path: Path, finding: Finding) -> dict[str, object]:
    return {
        "file": str(path),
        "line": finding.line,
        "severity": finding.severity,
        "rule": finding.rule,
        "elementId": finding.element_id or None,
        "elementName": finding.element_name or None,
        "message": finding.message,
    }


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
