"""What Camunda's JSON schema of element templates does not check: this project's own rules for a template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

KEYS = {
    "$schema",
    "name",
    "id",
    "version",
    "description",
    "keywords",
    "documentationRef",
    "category",
    "engines",
    "appliesTo",
    "elementType",
    "icon",
    "groups",
    "properties",
}
ICON_LIMIT = 8000  # bytes: it is copied into every diagram
FEEL = "=x"

Property = Mapping[str, Any]


def broken_rules(template: Mapping[str, Any]) -> Iterator[str]:
    """Name every rule that a template breaks, and where."""
    properties: list[Property] = template["properties"]
    groups = [group["id"] for group in template["groups"]]
    yield from (f"unknown key {key}" for key in template.keys() - KEYS)
    if len(set(groups)) != len(groups):
        yield "a group twice"
    used = [prop["group"] for prop in properties if "group" in prop]
    yield from (f"group {group} is empty" for group in groups if group not in used)
    if any(
        groups.index(a) > groups.index(b) for a, b in pairwise(group for group in used if group in groups)
    ):
        yield "properties are not in the order of the groups"
    if len(template["icon"]["contents"]) > ICON_LIMIT:
        yield "the icon is too large"
    headers = {prop["binding"].get("key"): prop.get("value") for prop in properties}
    if headers.get("elementTemplateVersion") != str(template["version"]):
        yield "elementTemplateVersion is not the version"
    if headers.get("elementTemplateId") != template["id"]:
        yield "elementTemplateId is not the id"
    for position, prop in enumerate(properties):
        for rule in _broken_by(prop, properties[:position], groups):
            yield f"{prop.get('id', prop['binding'])}: {rule}"


def _broken_by(prop: Property, above: list[Property], groups: list[str]) -> Iterator[str]:  # noqa: C901 - one rule a line
    binding = prop["binding"]
    values = [choice["value"] for choice in prop.get("choices", ())]
    if "group" in prop and prop["group"] not in groups:
        yield "unknown group"
    if prop["type"] in ("Number", "Boolean"):
        yield "a Number or Boolean: the 8.5-era panel fails on it, so use a String with a pattern"
    if len(set(values)) != len(values):
        yield "a choice twice"
    if values and "value" in prop and prop["value"] not in values:
        yield "the default is no choice"
    if prop.get("feel") == "required" and not prop.get("value", "=").startswith("="):
        yield "the default must be FEEL"
    is_required = prop.get("constraints", {}).get("notEmpty", False)
    if binding["type"] == "zeebe:input":
        if not (prop.get("optional") or is_required or prop.get("value")):
            yield "may write an input without a source, which engines before 8.8 refuse"
        if not re.fullmatch(r"openai_[a-zA-Z]+", binding["name"]):
            yield "the input's name lacks the prefix"
    if prop["type"] != "Hidden" and not (prop.get("label") and prop.get("description")):
        yield "no label or no description"
    if re.search(r"<(?!/?code>|br>)", prop.get("description", "")):
        yield "the description holds markup that Modeler removes"
    yield from _broken_by_pattern(prop)
    for condition in _conditions(prop):
        yield from _broken_by_condition(condition, prop, above)
    for other in above:
        if not _exclude(prop, other):
            if binding == other["binding"]:
                yield "its binding is there already"
            if "id" in prop and prop["id"] == other.get("id"):
                yield "its id is there already"


def _broken_by_pattern(prop: Property) -> Iterator[str]:
    if "pattern" not in prop.get("constraints", {}):
        return
    try:
        pattern = re.compile(prop["constraints"]["pattern"]["value"])
    except re.error as error:
        yield f"the pattern is wrong: {error}"
        return
    if "feel" in prop and not pattern.search(FEEL):
        yield "the pattern refuses FEEL, to which Modeler before 5.27 applies it"
    if prop.get("optional") and not pattern.search(""):
        yield "the pattern refuses an empty value, though the field is optional"
    if "value" in prop and not pattern.search(prop["value"]):
        yield "the pattern refuses the default"
    if not prop["constraints"]["pattern"]["message"].startswith("must "):
        yield "the pattern's message does not say what must be"


def _broken_by_condition(condition: Property, prop: Property, above: list[Property]) -> Iterator[str]:
    parents = [other for other in above if other.get("id") == condition["property"]]
    if not parents:
        yield f"depends on {condition['property']}, which does not stand above it"
    for parent in parents:
        choices = {choice["value"] for choice in parent.get("choices", ())}
        unknown = _admitted(condition) - choices
        if choices and unknown:
            yield f"depends on {', '.join(unknown)}, which is no choice of {condition['property']}"
        if not all(inherited in _conditions(prop) for inherited in _conditions(parent)):
            yield f"does not repeat the condition of {condition['property']}"


def _conditions(prop: Property) -> list[dict[str, Any]]:
    condition = prop.get("condition", {})
    return list(condition.get("allMatch", [condition] if condition else []))


def _admitted(condition: Property) -> set[str]:
    return {condition["equals"]} if "equals" in condition else set(condition["oneOf"])


def _exclude(prop: Property, other: Property) -> bool:
    """Say whether two properties are never shown together."""
    return any(
        one["property"] == two["property"] and not _admitted(one) & _admitted(two)
        for one in _conditions(prop)
        for two in _conditions(other)
    )
