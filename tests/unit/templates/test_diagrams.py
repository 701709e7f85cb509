"""The tests' own diagrams refuse what a modeler could not make."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from tests.diagrams import Boundary, process, script, service, task

ZEEBE = {"zeebe": "http://camunda.org/schema/zeebe/1.0"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "openai_prompt is required"),
        ({"openai_prompt": "hi", "openai_nope": "1"}, "shows no openai_nope"),
        ({"openai_prompt": "hi", "openai_customModel": "m"}, "shows no openai_customModel"),
        ({"openai_prompt": "hi", "openai_moderationInput": "m"}, "shows no openai_moderationInput"),
        ({"openai_prompt": "hi", "openai_model": "m"}, "openai_model has no choice 'm'"),
        ({"openai_prompt": "hi", "openai_chatHistory": "[]"}, "openai_chatHistory must be FEEL"),
    ],
)
def test_impossible_tasks_are_refused(values: dict[str, Any], complaint: str) -> None:
    """Unknown, hidden, missing and impossible values raise an error that names them."""
    with pytest.raises(ValueError, match=complaint):
        task(values=values)


def test_defaults_are_written_and_hidden_inputs_are_not() -> None:
    """A task holds the template's defaults, given values and nothing that its conditions hide."""
    xml = process(
        "p", task(values={"openai_operation": "moderation", "openai_moderationInput": "=text"}, retries=1)
    )
    root = etree.fromstring(xml.encode())
    held = {item.get("target"): item.get("source") for item in root.iterfind(".//zeebe:input", ZEEBE)}
    assert held == {
        "openai_operation": "moderation",
        "openai_moderationInput": "=text",
        "openai_answerNeeded": "now",
    }
    (definition,) = root.findall(".//zeebe:taskDefinition", ZEEBE)
    assert definition.attrib == {"type": "openai-connector:1", "retries": "1"}


def test_flows_lead_from_start_to_end() -> None:
    """Every node but the start is the target of a flow that it names itself, as engines want it."""
    caught = Boundary("FLAGGED", script("=1", "one"))
    xml = process("p", task(values={"openai_prompt": "hi"}, on_error=caught), service("next"))
    root = etree.fromstring(xml.encode())
    flows = {flow.get("id"): flow for flow in root.iterfind(".//{*}sequenceFlow")}
    reached = {flow.get("targetRef") for flow in flows.values()}
    assert reached == {"Ask", "Next", "end", "Script", "AskCaught"}
    for incoming in root.iterfind(".//{*}incoming"):
        assert flows[incoming.text].get("targetRef") == incoming.getparent().get("id")
    for outgoing in root.iterfind(".//{*}outgoing"):
        assert flows[outgoing.text].get("sourceRef") == outgoing.getparent().get("id")
