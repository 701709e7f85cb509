"""The README keeps its promises: complete tables, files that exist, commands that work."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs import tables
from openai_connector import openai_api, settings
from openai_connector.commands.evaluate import outcome_of
from openai_connector.contract import OVERRIDES
from openai_connector.openai_api import ApiError
from openai_connector.tasks.operations import OPERATIONS

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_the_generated_tables_are_current() -> None:
    """Settings, error types and the policy for failed calls stand in the README as the code has them."""
    assert tables.current(TEXT) == TEXT, "run `make docs`"


def test_every_error_type_is_listed() -> None:
    """Users compare `error.type`: each exception that a call may raise is in the table."""
    raised = {
        name
        for name in openai_api.__all__
        if isinstance(kind := getattr(openai_api, name), type)
        and issubclass(kind, ApiError)
        and not kind.__subclasses__()
    }
    assert raised <= {kind for kind, _, _ in tables.ERRORS}


def test_linked_files_exist() -> None:
    """Every relative link and picture leads to something."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", [name for operation in OPERATIONS.values() for name in operation.outputs()])
def test_every_output_is_explained(name: str) -> None:
    """Each key of `output` stands in the README."""
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("name", OVERRIDES.values())
def test_every_override_is_explained(name: str) -> None:
    """The way out of an incident names its variables."""
    assert f"`{name}`" in TEXT


def expressions(heading: str) -> list[str]:
    """Find the expressions below a heading, each from its = on."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = [block for block in re.findall(r"```\n(.*?)```", section, re.DOTALL) if block.startswith("=")]
    return [f"={text.strip()}" for block in blocks for text in re.split(r"^=", block, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize(
    ("header", "text"),
    [("resultExpression", text) for text in expressions("Mapping results")]
    + [("errorExpression", text) for text in expressions("Errors and retries")],
)
def test_expressions_can_be_copied(header: str, text: str) -> None:
    """Each expression works on an answer, and an error expression on a failure at each attempt too."""
    output = {
        "text": "t",
        "refusal": None,
        "flagged": True,
        "flaggedCategories": ["a"],
        "usage": {"total_tokens": 1},
    }
    cases: list[dict[str, Any]] = [{"response": {"output": output}}]
    if header == "errorExpression":
        error = {"type": "ApiStatusError", "code": "429", "message": "busy"}
        cases += [{"error": error, "retries": retries} for retries in (3, 2, 1)]
    for case in cases:
        outcome = outcome_of({**case, "headers": {header: text}})
        assert outcome["outcome"] in ("complete", "bpmnError") or outcome["errorMessage"] == "busy"


def commands() -> list[tuple[str, str]]:
    """Find the console examples of `openai-connector evaluate` with what they print."""
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [
        (line[2:], following)
        for line, following in itertools.pairwise(lines)
        if line.startswith("$ ") and "openai-connector evaluate" in line
    ]


@pytest.mark.parametrize(("command", "printed"), commands())
def test_examples_print_what_the_readme_says(command: str, printed: str) -> None:
    """The examples run, and print what stands below them."""
    command = command.replace("openai-connector", f"{sys.executable} -m openai_connector")
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == printed


SOURCE = "".join(path.read_text("utf-8") for path in (ROOT / "worker" / "openai_connector").rglob("*.py"))


def fragments(heading: str, column: int) -> list[str]:
    """Find the pieces of messages that a section's table shows as code, but for the engine's own."""
    section = TEXT.partition(heading)[2].partition("\n#")[0].partition("\n* **Camunda SaaS")[0]
    rows = [line.strip().split("|") for line in section.splitlines() if line.strip().startswith("|")]
    cells = [row[column] for row in rows if "(by the engine)" not in row[column]]
    return [text.removesuffix(" ...") for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("text", fragments("## Resolving an incident", 1) + fragments("* **Alerts**", 2))
def test_messages_to_look_for_exist(text: str) -> None:
    """What an operator is told to look for in incidents and logs is what the worker says."""
    said = re.sub(r"code \d+", "code {code}", text).replace("answers again", "answers{again}")
    assert said in re.sub(r'"\s*f?"', "", SOURCE)


def test_every_variable_is_a_setting() -> None:
    """Environment variables with the prefixes of settings that the README names are settings."""
    known = {name for row in settings.table() for name in row.names}
    named = set(re.findall(r"\b(?:CONNECTOR|ZEEBE|CAMUNDA|OPENAI)_[A-Z_]*[A-Z]\b", TEXT))
    assert "CONNECTOR_MAX_JOBS" in named
    assert named <= known
