"""Every template in the real Modeler: loaded, applied, filled by label, switched, exported and linted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lxml import etree

from tests import diagrams
from tests.modeler.front_end import ARTIFACTS, FRONT_ENDS, Modeler

NAMESPACE = {"zeebe": "http://camunda.org/schema/zeebe/1.0"}
EMPTY = diagrams.process("modeler", diagrams.Element("Ask", "task", {"name": "Ask AI"}, ""))
LINTED_AS = ("8.5", "8.8")

KEY = ["OpenAI API key", "Organization", "Project"]
PROMPT = ["System message", "Chat history", "Prompt"]
PARAMETERS = [
    "Temperature",
    "Top P",
    "Maximum tokens",
    "Frequency penalty",
    "Presence penalty",
    "Choices to generate",
    "Reasoning effort",
    "Verbosity",
    "Extra body",
]
NO_PLACE = {
    "Maximum tokens are sent as",
    "Frequency penalty",
    "Presence penalty",
    "Choices to generate",
}
"""Parameters that have no place in the Responses API."""
WHEN = ["Answer needed", "API"]
TOOLS = {"Tools": ["Tools", "Tool results"]}
PARAMETERS_AND_NAME = [*PARAMETERS[:3], "Maximum tokens are sent as", *PARAMETERS[3:]]
REACTIONS = ["If the answer is not as asked", "Ask again once"]
MODERATION = ["Evaluation input", "Moderation model"]
EVERYWHERE = {
    "Output mapping": ["Result variable", "Result expression"],
    "Error handling": ["Error expression"],
    "Retries": ["Retries", "Retry backoff", "Request timeout", "If the budget is used up", "Job timeout"],
}
SHOWN: dict[str, dict[str, list[str]]] = {
    "openai-connector.json": {
        "Authentication": [*KEY, "Base URL"],
        "Operation": ["Operation"],
        "Model": ["Model", *WHEN],
        "Prompt": PROMPT,
        "Parameters": PARAMETERS_AND_NAME,
        "Response format": ["Response format", *REACTIONS],
        **TOOLS,
        **EVERYWHERE,
    },
    "openai-chat.json": {
        "Authentication": KEY,
        "Model": ["Model", *WHEN],
        "Prompt": PROMPT,
        "Parameters": PARAMETERS,
        "Response format": ["Response format", *REACTIONS],
        **TOOLS,
        **EVERYWHERE,
    },
    "openai-moderation.json": {"Authentication": KEY, "Moderation": MODERATION, **EVERYWHERE},
    "openai-compatible.json": {
        "Authentication": ["API key", "Base URL"],
        "Operation": ["Operation"],
        "Model": ["Model", "API"],
        "Prompt": PROMPT,
        "Parameters": PARAMETERS_AND_NAME,
        "Response format": ["Response format", *REACTIONS],
        **TOOLS,
        **EVERYWHERE,
    },
    "azure-openai.json": {
        "Authentication": ["API key"],
        "Model": ["Azure resource", "Deployment", "API version"],
        "Prompt": PROMPT,
        "Parameters": PARAMETERS_AND_NAME,
        "Response format": ["Response format", *REACTIONS],
        **TOOLS,
        **EVERYWHERE,
    },
}
"""What a modeler sees after a template was applied, by group, in this order."""

SHOWN_FOR_MODERATION = {
    file: {
        "Authentication": SHOWN[file]["Authentication"],
        "Operation": ["Operation"],
        "Moderation": [*MODERATION, "Answer needed"] if file == "openai-connector.json" else MODERATION,
    }
    | EVERYWHERE
    for file in ("openai-connector.json", "openai-compatible.json")
}

FILLED = {
    "openai_apiKey": "{{secrets.SOME_KEY}}",
    "openai_organization": "org-1",
    "openai_project": '="proj_" + tenant',
    "openai_baseUrl": "https://llm.example.com/v1",
    "openai_model": "mistral-small",
    "openai_azureResource": "contoso",
    "openai_azureDeployment": "support-assistant",
    "openai_azureApiVersion": "2025-01-01-preview",
    "openai_systemMessage": "You answer in one sentence.",
    "openai_chatHistory": "=before.output.chatHistory",
    "openai_prompt": '="Summarize: " + ticket.text',
    "openai_temperature": "0.7",
    "openai_topP": "=topP",
    "openai_maxTokens": "1000",
    "openai_frequencyPenalty": "-1.5",
    "openai_presencePenalty": "0.25",
    "openai_choices": "2",
    "openai_extraBody": "={seed: 7}",
    "openai_jsonSchema": '{"type": "object"}',
    "openai_tools": '=[{name: "find_order"}]',
    "openai_toolResults": "=results",
    "openai_timeout": "PT2M",
    "openai_moderationInput": "=message.text",
    "openai_moderationModel": "omni-moderation-latest",
    "resultVariable": "answer",
    "resultExpression": "={text: response.output.text}",
    "errorExpression": '=if error.code = "429" then bpmnError("BUSY", error.message) else null',
    "retries": "5",
    "retryBackoff": "PT1M",
    "jobTimeout": "PT10M",
}
"""What a person writes into each text field; FEEL begins with =."""

SETTLED = 700
"""Milliseconds until the panel has written everything: it waits 300 after the last key, a busy machine
more."""

in_both = pytest.mark.parametrize("front_end", FRONT_ENDS)
each_template = pytest.mark.parametrize("file", SHOWN)


def template_of(file: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((diagrams.FOLDER / file).read_text("utf-8"))
    return template


def applied(modeler: Modeler, front_end: str, file: str) -> dict[str, Any]:
    """Apply a template to the task of an otherwise empty diagram."""
    template = template_of(file)
    assert modeler.open(front_end, EMPTY, template) == []
    modeler.choose("Ask", template)
    return template


def shown(modeler: Modeler) -> dict[str, list[str]]:
    """Give the template's own groups and their fields."""
    own = ("General", "Documentation", "Template", "Execution listeners")
    return {group: labels for group, labels in modeler.fields().items() if group not in own}


def written(xml: str) -> dict[str, str | None]:
    """Read what a diagram holds for its task: inputs and headers by name, and the retries."""
    root = etree.fromstring(xml.encode())
    (task,) = root.findall(".//{*}serviceTask[@id='Ask']")
    held = {item.get("target"): item.get("source") for item in task.iterfind(".//zeebe:input", NAMESPACE)}
    held |= {item.get("key"): item.get("value") for item in task.iterfind(".//zeebe:header", NAMESPACE)}
    (definition,) = task.findall(".//zeebe:taskDefinition", NAMESPACE)
    return held | {"type": definition.get("type"), "retries": definition.get("retries")}


def as_by_hand(file: str, given: dict[str, str]) -> dict[str, str | None]:
    """Give what `tests.diagrams` writes for the same values.

    The engine's tests rest on its being the same.
    """
    properties = template_of(file)["properties"]
    headers = {p["binding"]["key"] for p in properties if p["binding"]["type"] == "zeebe:taskHeader"}
    task = diagrams.task(
        file,
        element_id="Ask",
        values={name: value for name, value in given.items() if name.startswith("openai_")},
        headers={name: value for name, value in given.items() if name in headers},
        retries=given.get("retries"),
    )
    return written(diagrams.process("modeler", task))


def fill(
    modeler: Modeler, template: dict[str, Any], given: dict[str, str], *, required_only: bool = False
) -> dict[str, str]:
    """Fill every (required) text field that is shown and not given yet.

    The value is what the diagram then holds.
    """
    visible = {label for labels in shown(modeler).values() for label in labels}
    filled = dict(given)
    for prop in template["properties"]:
        binding = prop["binding"]
        name = binding.get("name") or binding.get("key") or binding["property"]
        if prop["type"] not in ("String", "Text") or prop["label"] not in visible or name in filled:
            continue
        if not met(prop.get("condition"), filled) or (required_only and not is_empty_and_required(prop)):
            continue
        value = filled[name] = FILLED[name]
        if value.startswith("="):
            modeler.feel(prop["label"], value[1:])
        else:
            modeler.fill(prop["label"], value)
    return filled


def is_empty_and_required(prop: dict[str, Any]) -> bool:
    return bool(prop.get("constraints", {}).get("notEmpty")) and "value" not in prop


def met(condition: dict[str, Any] | None, given: dict[str, str]) -> bool:
    """Say whether a condition on the operation holds (other conditions show in the labels)."""
    parts = (condition or {}).get("allMatch") or ([condition] if condition else [])
    operation = given.get("openai_operation", "chat")
    return all(part["equals"] == operation for part in parts if part["property"] == "openai_operation")


def expected_after(file: str, name: str, value: str) -> dict[str, list[str]]:
    """Give the fields after one choice, all else being as applied."""
    if (name, value) == ("openai_operation", "moderation"):
        return SHOWN_FOR_MODERATION[file]
    if (name, value) == ("openai_model", "custom"):
        model, *others = SHOWN[file]["Model"]
        return SHOWN[file] | {"Model": [model, "Custom model version", *others]}
    if name == "openai_answerNeeded" and value not in ("now", "day"):
        return SHOWN[file] | {"Model": ["Model", "Answer needed"], **without_place(file)}
    if (name, value) == ("openai_api", "responses"):
        return SHOWN[file] | without_place(file)
    if (name, value) == ("openai_responseFormat", "json_schema"):
        return SHOWN[file] | {"Response format": ["Response format", "JSON schema", *REACTIONS]}
    return SHOWN[file]


def without_place(file: str) -> dict[str, list[str]]:
    """Give the parameters of a template without those that have no place in the Responses API."""
    return {"Parameters": [label for label in SHOWN[file]["Parameters"] if label not in NO_PLACE]}


def telling(template: dict[str, Any], prop: dict[str, Any]) -> list[dict[str, str]]:
    """Give the choices to try: those that conditions name, the first that none names, and the last.

    In the end the default or the first.
    """
    named = json.dumps([other.get("condition") for other in template["properties"]])
    choices: list[dict[str, str]] = prop["choices"]
    default = next((choice for choice in choices if choice["value"] == prop.get("value")), choices[0])
    others = [choice for choice in choices if choice != default]
    unnamed = [choice for choice in others if f'"{choice["value"]}"' not in named]
    tried = (unnamed[:1], others[-1:])
    return [
        *(choice for choice in others if choice not in unnamed or [choice] in tried),
        default,
    ]


@in_both
@each_template
def test_every_dropdown_shows_the_right_fields(modeler: Modeler, front_end: str, file: str) -> None:
    """A template shows its fields in order; a choice brings those that it needs and takes away all others."""
    template = applied(modeler, front_end, file)
    assert shown(modeler) == SHOWN[file]
    given = fill(modeler, template, {}, required_only=True)
    modeler.pause(SETTLED)
    for prop in template["properties"]:
        if prop["type"] != "Dropdown" or not met(prop.get("condition"), given):
            continue
        names = [choice["name"] for choice in prop["choices"]]
        assert modeler.options(prop["label"]) == ([""] if prop.get("optional") else []) + names
        for choice in telling(template, prop):
            modeler.choice(prop["label"], choice["name"])
            assert shown(modeler) == expected_after(file, prop["id"], choice["value"])
            given[prop["id"]] = choice["value"]
            if not modeler.errors():
                assert written(modeler.xml()) == as_by_hand(file, given)
        if prop["id"] == "openai_operation":  # its required inputs went with it, and came back empty
            given |= fill(modeler, template, {}, required_only=True)
            modeler.pause(SETTLED)
    assert modeler.problems() == []


@in_both
@each_template
def test_filled_by_label_and_exported(modeler: Modeler, front_end: str, file: str) -> None:
    """What is written into every field stands in the exported diagram, which Camunda's linter finds faultless."""
    template = applied(modeler, front_end, file)
    if "Response format" in SHOWN[file]:
        modeler.choice("Response format", "JSON that follows a schema")
    given = {"openai_responseFormat": "json_schema"} if "Response format" in SHOWN[file] else {}
    # In the slower panel of 8.5, the shorter templates are filled with what they require: all fields are the
    # same ones.
    given = fill(
        modeler, template, given, required_only=front_end == "8.5" and file != "openai-connector.json"
    )
    xml = modeler.xml()
    modeler.screenshot(ARTIFACTS / f"{front_end}-{file.removesuffix('.json')}.png", 3300)
    assert given.items() <= written(xml).items()
    assert written(xml) == as_by_hand(file, given)
    assert [report for version in LINTED_AS for report in modeler.lint(xml, template, version)] == []
    assert modeler.errors() == []
    assert modeler.problems() == []


@in_both
@pytest.mark.parametrize("file", SHOWN_FOR_MODERATION)
def test_another_operation_leaves_no_stale_inputs(modeler: Modeler, front_end: str, file: str) -> None:
    """Inputs of the operation that was left are gone from the diagram; the output mapping is kept."""
    template = applied(modeler, front_end, file)
    given = fill(modeler, template, {}, required_only=True)
    modeler.fill("Temperature", "0.7")
    modeler.pause(SETTLED)  # at once, the 8.5-era panel writes a field that is gone already
    modeler.choice("Operation", "Moderation")
    kept = {name: value for name, value in given.items() if name in ("openai_baseUrl", "openai_apiKey")}
    given = fill(modeler, template, kept | {"openai_operation": "moderation"}, required_only=True)
    modeler.feel("Result expression", FILLED["resultExpression"][1:])
    given["resultExpression"] = FILLED["resultExpression"]
    xml = modeler.xml()
    modeler.screenshot(ARTIFACTS / f"{front_end}-{file.removesuffix('.json')}-moderation.png", 1900)
    assert written(xml) == as_by_hand(file, given)
    assert [report for version in LINTED_AS for report in modeler.lint(xml, template, version)] == []
    modeler.pause(SETTLED)
    modeler.choice("Operation", "Chat")
    assert not any(str(name).startswith("openai_moderation") for name in written(modeler.xml()))
    assert written(modeler.xml())["resultExpression"] == FILLED["resultExpression"]
    assert modeler.problems() == []


@in_both
def test_wrong_literal_is_marked_at_its_field(modeler: Modeler, front_end: str) -> None:
    """A literal that does not fit is refused with the field's own words; FEEL and secrets are admitted."""
    applied(modeler, front_end, "openai-connector.json")
    modeler.fill("Prompt", "hello")
    literals = {
        "Temperature": ("warm", "0.7"),
        "Maximum tokens": ("1.5", "1000"),
        "Base URL": ("llm.example.com", "{{secrets.BASE_URL}}"),
        "Result variable": ("my answer", "answer"),
        "Retry backoff": ("30 seconds", "PT30S"),
        "Request timeout": ("soon", "90"),
    }
    for label, (wrong, _) in literals.items():
        modeler.fill(label, wrong)
    modeler.pause(SETTLED)
    assert {error.split(" must")[0] for error in modeler.errors()} == literals.keys()
    for label, (_, right) in literals.items():
        modeler.fill(label, right)
    modeler.feel("Top P", "certainty / 10")
    modeler.pause(SETTLED)
    assert modeler.errors() == []
