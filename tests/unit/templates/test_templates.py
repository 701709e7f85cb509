"""The element templates: valid, and one source with the checks at run time."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from openai_connector.tasks.operations import INPUT_NAMES, OPERATIONS, InvalidInputsError, read_inputs
from openai_connector.tasks.operations.models import DEFAULT_CHAT_MODEL
from openai_connector.tools.templates import VARIANTS, Variant, render
from openai_connector.tools.templates.panel import GROUPS
from openai_connector.tools.templates.versions import content_hash
from tests.unit.templates.rules import broken_rules

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "tests/modeler/schema/zeebe-element-templates-0.46.0.json").read_text("utf-8"))

each = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.file)


def properties(variant: Variant) -> dict[str, dict[str, Any]]:
    return {prop["id"]: prop for prop in render(variant)["properties"] if "id" in prop}


def accepts(prop: dict[str, Any], value: str) -> bool:
    return re.search(prop["constraints"]["pattern"]["value"], value) is not None


@each
def test_schema_of_camunda_is_met(variant: Variant) -> None:
    """Camunda's published JSON schema finds nothing wrong."""
    validator = Draft7Validator(
        SCHEMA | {"oneOf": SCHEMA["oneOf"][:1]}
    )  # one template, so that errors are readable
    assert [error.message for error in validator.iter_errors(render(variant))] == []


@each
def test_rules_beyond_the_schema_are_met(variant: Variant) -> None:
    """Conditions, defaults, patterns, groups and bindings fit together."""
    assert list(broken_rules(render(variant))) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"condition": {"property": "nowhere", "equals": "x"}}, "does not stand above it"),
        ({"condition": {"property": "openai_operation", "equals": "x"}}, "is no choice of"),
        ({"condition": {"property": "openai_model", "equals": "custom"}}, "does not repeat the condition"),
        ({"group": "nowhere"}, "unknown group"),
        ({"type": "Number"}, "String with a pattern"),
        ({"binding": {"type": "zeebe:input", "name": "openai_prompt"}}, "its binding is there already"),
        ({"id": "openai_prompt"}, "its id is there already"),
        ({"optional": False}, "input without a source"),
        ({"constraints": {"pattern": {"value": "^[0-9]*$", "message": "must fit"}}}, "refuses FEEL"),
        (
            {"constraints": {"pattern": {"value": "^(=.*|[0-9])$", "message": "must fit"}}},
            "refuses an empty value",
        ),
        ({"constraints": {"pattern": {"value": "(", "message": "must fit"}}}, "the pattern is wrong"),
        ({"description": "<b>bold</b>"}, "markup"),
        ({"choices": [{"name": "A", "value": "a"}], "value": "b"}, "the default is no choice"),
    ],
)
def test_rules_find_what_is_broken(change: dict[str, Any], rule: str) -> None:
    """Each rule speaks up when a property breaks it."""
    template = copy.deepcopy(render(VARIANTS[0]))
    (prop,) = [prop for prop in template["properties"] if prop.get("id") == "openai_temperature"]
    prop |= change
    assert any(rule in broken for broken in broken_rules(template))


def test_changed_content_has_another_hash() -> None:
    """The hash tells a changed label, and does not tell a version."""
    template = render(VARIANTS[0])
    newer = copy.deepcopy(template) | {"version": template["version"] + 1}
    for prop in newer["properties"]:
        if prop["binding"].get("key") == "elementTemplateVersion":
            prop["value"] = str(newer["version"])
    assert content_hash(newer) == content_hash(template)
    newer["properties"][-1]["label"] += "!"
    assert content_hash(newer) != content_hash(template)


def test_every_input_is_in_a_template() -> None:
    """No input that the worker reads is out of a modeler's reach."""
    bound = {prop["binding"].get("name") for variant in VARIANTS for prop in render(variant)["properties"]}
    assert set(INPUT_NAMES) <= bound


def test_labels_are_those_of_the_messages() -> None:
    """A violation names the input as the panel labels it."""
    for variant in VARIANTS:
        shown = properties(variant)
        for operation in variant.operations:
            for field in operation.model_fields.values():
                if field.alias in shown:
                    assert shown[field.alias]["label"] == field.title


def test_groups_stand_in_the_order_in_which_they_are_filled() -> None:
    """The full template has every group, in order."""
    titles = [group["label"] for group in render(VARIANTS[0])["groups"]]
    assert titles == list(GROUPS.values())
    assert titles[0] == "Authentication"
    assert titles[-1] == "Retries"


def test_temperature_and_other_parameters_are_empty_by_default() -> None:
    """Nothing that a reasoning model refuses is sent unless a modeler writes it."""
    for variant in VARIANTS:
        defaults = {name for name, prop in properties(variant).items() if prop.get("value")}
        assert not defaults & {
            f"openai_{name}" for name in ("temperature", "topP", "frequencyPenalty", "choices")
        }


def test_model_is_chosen_from_current_ones() -> None:
    """The dropdown begins with the default, ends with Custom and has no model that is announced to end."""
    data = json.loads((ROOT / "worker/openai_connector/tasks/operations/models.json").read_text("utf-8"))
    model = properties(VARIANTS[0])["openai_model"]
    values = [choice["value"] for choice in model["choices"]]
    assert values[0] == model["value"] == DEFAULT_CHAT_MODEL
    assert values[-1] == "custom"
    assert not set(values) & {item["id"] for item in data["shutdowns"]}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "openai_temperature",
            ["", "0", "0.7", "1.25", "2", "2.0", "=t", "=if a\nthen 1 else 0"],
            ["2.1", "-1", "warm"],
        ),
        ("openai_topP", ["", "0", "0.9", "1", "1.0", "=p"], ["1.1", "2", "90%"]),
        ("openai_maxTokens", ["", "1", "1000", "=n"], ["0", "1.5", "many"]),
        ("openai_frequencyPenalty", ["", "-2", "0.5", "2", "=f"], ["-2.5", "3"]),
        ("openai_choices", ["", "3", "=n"], ["0", "two"]),
        (
            "openai_baseUrl",
            ["", "https://a.example/v1", "http://127.0.0.1:8080/v1", "{{secrets.URL}}", "=url"],
            ["a.b"],
        ),
        ("openai_timeout", ["", "PT30S", "PT1M", "90", "1.5", "=t"], ["soon", "30 s"]),
        ("resultVariable", ["", "answer", "größe_2", "a1"], ["my answer", "1a", "a.b", "=a", "a-b"]),
        ("retryBackoff", ["", "PT30S", "PT5M", "P1D", "PT1H30M"], ["30", "30s", "=b", "P", "PT", "P1DT"]),
        ("jobTimeout", ["", "PT10M"], ["10 minutes"]),
        ("retries", ["0", "3", "=r"], ["", "-1", "many"]),
    ],
)
def test_patterns_admit_what_the_worker_takes(name: str, good: list[str], bad: list[str]) -> None:
    """A field's pattern admits good literals, FEEL and nothing, and refuses the rest."""
    prop = properties(VARIANTS[0])[name]
    assert [value for value in good if not accepts(prop, value)] == []
    assert [value for value in bad if accepts(prop, value)] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_literals_that_a_pattern_refuses_are_refused_by_the_worker(operation: str) -> None:
    """Panel and worker agree: of bounds, texts on both sides of them pass both checks or none."""
    shown = properties(VARIANTS[0])
    required = {"openai_operation": operation, "openai_model": "gpt-6-luna", "openai_prompt": "hi"}
    required |= {"openai_moderationInput": "hi"}
    for name in [str(field.alias) for field in OPERATIONS[operation].model_fields.values()]:
        if "pattern" not in shown.get(name, {}).get("constraints", {}):
            continue
        for literal in ("-3", "-2", "-0.5", "0", "0.5", "1", "1.5", "2", "2.5", "3", "x"):
            try:
                read_inputs(required | {name: literal})
                is_read = True
            except InvalidInputsError:
                is_read = False
            assert is_read == accepts(shown[name], literal), (name, literal)


def test_icon_and_engine_range() -> None:
    """Every template names the engines it is for and brings its icon along."""
    for variant in VARIANTS:
        template = render(variant)
        assert template["engines"] == {"camunda": "^8.5"}
        assert template["icon"]["contents"].startswith("data:image/svg+xml")
        assert "#" not in template["icon"]["contents"]  # would end the address
