"""A folder of diagrams against the worker: versions of templates, and models."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from openai_connector.contract import JOB_TYPE
from openai_connector.tools.check.findings import Verdict
from openai_connector.tools.check.templates import check_folder

EXAMPLES = Path(__file__).parents[3] / "examples"
TODAY = date(2026, 11, 26)


def diagram(version: str, template: str = "openai-connector.chat.v1", model: str = "gpt-6-luna") -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="D" targetNamespace="t">
<bpmn:process id="P" isExecutable="true">
<bpmn:serviceTask id="Ask" zeebe:modelerTemplate="{template}" zeebe:modelerTemplateVersion="{version}">
<bpmn:extensionElements><zeebe:taskDefinition type="{JOB_TYPE}" retries="3"/>
<zeebe:ioMapping><zeebe:input source="chat" target="openai_operation"/>
<zeebe:input source="{model}" target="openai_model"/><zeebe:input source="Hello" target="openai_prompt"/>
</zeebe:ioMapping></bpmn:extensionElements></bpmn:serviceTask></bpmn:process></bpmn:definitions>"""


def test_the_examples_go_with_the_worker() -> None:
    """The diagrams of this repository are served by this worker."""
    (finding,) = check_folder(EXAMPLES, JOB_TYPE, TODAY)
    assert finding.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("given", "verdicts"),
    [
        pytest.param(diagram("1"), {Verdict.OK}, id="known version"),
        pytest.param(diagram("99"), {Verdict.FAILURE}, id="newer than the worker"),
        pytest.param(diagram(""), {Verdict.FAILURE}, id="no version"),
        pytest.param(diagram("²"), {Verdict.FAILURE}, id="no number"),
        pytest.param(diagram("99", "another.template"), {Verdict.OK}, id="another's template"),
        pytest.param(diagram("1", model="gpt-4-turbo-preview"), {Verdict.FAILURE}, id="model shut down"),
        pytest.param(diagram("1", model="gpt-9-tpyo"), {Verdict.WARNING}, id="model not known"),
        pytest.param("no XML", {Verdict.WARNING}, id="no diagram"),
    ],
)
def test_what_a_diagram_needs(tmp_path: Path, given: str, verdicts: set[Verdict]) -> None:
    """Versions that the worker does not know, and models that are gone, are found in folders below too."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "one.bpmn").write_text(given, "utf-8")
    assert {finding.verdict for finding in check_folder(tmp_path, JOB_TYPE, TODAY)} == verdicts


def test_a_folder_without_diagrams_is_warned_of(tmp_path: Path) -> None:
    """A wrong folder does not pass for a good one."""
    (finding,) = check_folder(tmp_path, JOB_TYPE, TODAY)
    assert finding.verdict is Verdict.WARNING
