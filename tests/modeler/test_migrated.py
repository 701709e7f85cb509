"""A diagram that was moved over from Camunda's own template, opened in the real Modeler."""

from __future__ import annotations

from datetime import date

import pytest

from openai_connector.tools.diagrams.migrate import migrate
from openai_connector.tools.templates import VARIANTS, render
from tests.modeler.front_end import Modeler
from tests.modeler.test_templates import SETTLED, in_both, written
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TEMPLATES = {variant.id: render(variant) for variant in VARIANTS}
PICTURE = """\
  <bpmndi:BPMNDiagram id="picture" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" \
xmlns:dc="http://www.omg.org/spec/DD/20100524/DC">
    <bpmndi:BPMNPlane id="plane" bpmnElement="asking">
      <bpmndi:BPMNShape id="shape" bpmnElement="Ask"><dc:Bounds x="200" y="80" width="100" height="80" />\
</bpmndi:BPMNShape>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn:definitions>"""
RICH = {
    "internal_model": "custom",
    "internal_custom_model": "llama3.3",
    "internal_temperature": "0.7",
    "internal_systemMessage": 'Be "short"\n& kind',
    "internal_chatHistory": "=history",
    "internal_choices": "=count",
    "url": "https://llm.example/v1/chat/completions",
}
AZURES = {
    "chatCompletion_maxTokens": "16",
    "chatCompletion_stop": '=["END"]',
    "chatCompletion_user": 'a "name"',
}
TASKS = {
    "v1": task(chat_inputs(1), version=1, retries=None),
    "v8": task(
        chat_inputs(**RICH), {"resultVariable": "whole", "errorExpression": "=null", "retryBackoff": "PT1S"}
    ),
    "moderation": task(moderation_inputs(), version=6, retries=None),
    "azure": task(azure_inputs(**AZURES), template=AZURE, version=4),
}


@in_both
@pytest.mark.parametrize("name", TASKS)
def test_migrated_task_is_at_home(modeler: Modeler, front_end: str, name: str) -> None:
    """The panel has no complaint about a migrated task, changes nothing in it.

    And Camunda's linter finds no fault.
    """
    moved = migrate(
        diagram(TASKS[name]).replace("</bpmn:definitions>", PICTURE).encode(), date(2026, 11, 22)
    ).content
    assert modeler.open(front_end, moved.decode(), *TEMPLATES.values()) == []
    modeler.select("Ask")
    modeler.pause(SETTLED)
    assert (modeler.errors(), modeler.problems()) == ([], [])
    exported = modeler.xml()
    assert written(exported) == written(moved.decode())
    template = TEMPLATES[str(written(exported)["elementTemplateId"])]
    reports = [report for version in ("8.5", "8.8") for report in modeler.lint(exported, template, version)]
    assert [report for report in reports if "no-bpmndi" not in report] == []  # only the task is drawn
