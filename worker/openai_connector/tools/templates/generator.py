"""From input models to element templates.

Rules that the format imposes, all of them measured:
- Numbers are strings with a pattern: a Number property with a default crashes the panel of the 8.5-era
  Modeler, and leaves a stale input behind in today's.
- An input without a value is refused by engines before 8.8: every input is optional, must not be empty, or
  has a default.
- A pattern admits FEEL (`=…`): Modeler before 5.27 applies it to expressions too.
- A property that depends on another repeats that one's own condition, so that it disappears with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openai_connector.tasks.operations import OPERATION_INPUT, SECRET_INPUTS, Endpoint, Operation
from openai_connector.tasks.operations.fields import Inputs, Shown
from openai_connector.tasks.secrets import BARE
from openai_connector.tools.templates.panel import (
    GROUPS,
    JOB_TIMEOUT,
    OPEN_GROUPS,
    RESULT_VARIABLE,
    RETRIES,
    RETRY_BACKOFF,
    Header,
    error_expression,
    result_expression,
)
from openai_connector.tools.templates.variants import ERROR_EXAMPLES, RESULT_EXAMPLES, VARIANTS, Variant
from openai_connector.tools.templates.versions import current_version

JOB_TYPE = "openai-connector:1"
SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
ENGINES = "^8.5"

Property = dict[str, Any]
Condition = dict[str, Any]


def text(template: Mapping[str, Any]) -> str:
    """Write a template as its file has it."""
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def write_all(folder: Path, job_type: str = JOB_TYPE) -> list[Path]:
    """Write every template into a folder, which is created if need be.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for variant in VARIANTS:
        path = folder / variant.file
        path.write_text(text(render(variant, job_type)), "utf-8")
        written.append(path)
    return written


def render(variant: Variant, job_type: str = JOB_TYPE) -> dict[str, Any]:
    """Return one element template."""
    version = current_version(variant.id)
    properties = [
        _hidden({"type": "zeebe:taskDefinition", "property": "type"}, job_type),
        _hidden({"type": "zeebe:taskHeader", "key": "elementTemplateId"}, variant.id),
        _hidden({"type": "zeebe:taskHeader", "key": "elementTemplateVersion"}, str(version)),
        *sorted(_visible(variant), key=_position),
    ]
    used = {prop.get("group") for prop in properties}
    return {
        "$schema": SCHEMA,
        "name": variant.name,
        "id": variant.id,
        "version": version,
        "description": variant.description,
        "keywords": list(variant.keywords),
        "documentationRef": variant.documentation,
        "engines": {"camunda": ENGINES},
        "category": {"id": "connectors", "name": "Connectors"},
        "appliesTo": ["bpmn:Task"],
        "elementType": {"value": "bpmn:ServiceTask"},
        "icon": {"contents": _icon()},
        "groups": [
            {"id": group, "label": label} | ({"openByDefault": True} if group in OPEN_GROUPS else {})
            for group, label in GROUPS.items()
            if group in used
        ],
        "properties": properties,
    }


def _position(prop: Property) -> int:
    """Return where a property stands in the panel: by its group.

    Raises:
        ValueError: there is no such group.
    """
    if prop["group"] not in GROUPS:
        raise ValueError(f"{prop['id']}: add its group '{prop['group']}' to GROUPS in templates/panel.py")
    return list(GROUPS).index(prop["group"])


def _icon() -> str:
    svg = files(__package__).joinpath("icon.svg").read_text("utf-8").strip()
    return "data:image/svg+xml;utf8," + quote(svg, safe=" =:/'")


def _hidden(binding: dict[str, str], value: str) -> Property:
    return {"type": "Hidden", "value": value, "binding": binding}


def _visible(variant: Variant) -> Iterator[Property]:
    """Yield every property of a group, each after those that its condition names."""
    shared = _inputs(variant, Endpoint, [])
    yield from (prop for prop in shared if prop["group"] != "retries")
    yield _operation(variant)
    for operation in variant.operations:
        yield from _inputs(variant, operation, _chosen(variant, operation))
    yield _header(RESULT_VARIABLE)
    yield from _of_each(variant, result_expression, RESULT_EXAMPLES)
    yield from _of_each(variant, error_expression, ERROR_EXAMPLES)
    retries = {"type": "zeebe:taskDefinition", "property": "retries"}
    yield _property("retries", "Retries", RETRIES, retries, [])
    yield _header(RETRY_BACKOFF)
    yield from (prop for prop in shared if prop["group"] == "retries")
    yield _header(JOB_TIMEOUT)


def _chosen(variant: Variant, operation: type[Operation]) -> list[Condition]:
    if len(variant.operations) == 1:
        return []
    return [{"property": OPERATION_INPUT, "equals": operation.name, "type": "simple"}]


def _of_each(
    variant: Variant,
    header: Callable[[tuple[str, ...]], Header],
    examples: Mapping[type[Operation], tuple[str, ...]],
) -> Iterator[Property]:
    """Yield the same header for each operation, with the examples of that operation.

    What a person fills in stays when the operation changes.
    """
    for operation in variant.operations:
        conditions = _chosen(variant, operation)
        prop = _header(header(examples.get(operation, ())), conditions)
        if conditions:
            prop["id"] += f"_{operation.name}"
        yield prop


def _operation(variant: Variant) -> Property:
    binding = {"type": "zeebe:input", "name": OPERATION_INPUT}
    if len(variant.operations) == 1:
        return {"id": OPERATION_INPUT, "group": "operation"} | _hidden(binding, variant.operations[0].name)
    return {
        "id": OPERATION_INPUT,
        "label": "Operation",
        "description": " ".join(f"{operation.label}: {operation.about}" for operation in variant.operations),
        "type": "Dropdown",
        "value": variant.operations[0].name,
        "choices": [{"name": operation.label, "value": operation.name} for operation in variant.operations],
        "group": "operation",
        "binding": binding,
    }


def _inputs(variant: Variant, model: type[Inputs], chosen: list[Condition]) -> list[Property]:
    """Return a model's properties in the order of its fields."""
    declared = {str(info.alias): _declared(info.metadata) for info in model.model_fields.values()}
    shown_as = {alias: shown for alias in declared if (shown := variant.inputs.get(alias, declared[alias]))}
    properties = []
    for name, info in model.model_fields.items():
        alias = str(info.alias)
        if alias not in shown_as or (model is not Endpoint and _is_shared(alias)):
            continue
        shown = shown_as[alias]
        conditions = chosen + _conditions(model, shown_as, shown)
        binding = {"type": "zeebe:input", "name": alias}
        prop = _property(alias, info.title or name, shown, binding, conditions)
        if issubclass(model, Operation) and _is_of_an_earlier(variant, model, alias):
            prop["id"] += f"_{model.name}"
        properties.append(prop)
    return properties


def _is_shared(alias: str) -> bool:
    return any(info.alias == alias for info in Endpoint.model_fields.values())


def _is_of_an_earlier(variant: Variant, operation: type[Operation], alias: str) -> bool:
    """Check whether an operation before this one has the same input: ids are unique, bindings are not."""
    before = variant.operations[: variant.operations.index(operation)]
    return any(info.alias == alias for other in before for info in other.model_fields.values())


def _declared(metadata: list[Any]) -> Shown | None:
    return next((item for item in metadata if isinstance(item, Shown)), None)


def _conditions(model: type[Inputs], shown_as: Mapping[str, Shown], shown: Shown) -> list[Condition]:
    """Return the conditions of an input's parents and its own; a parent that is not shown has none."""
    if shown.condition is None:
        return []
    name, values = shown.condition
    parent = str(model.model_fields[name].alias)
    if parent not in shown_as:
        return []
    own: Condition = {"property": parent} | (
        {"equals": values[0]} if len(values) == 1 else {"oneOf": list(values)}
    )
    return [*_conditions(model, shown_as, shown_as[parent]), own | {"type": "simple"}]


def _header(header: Header, conditions: list[Condition] | None = None) -> Property:
    binding = {"type": "zeebe:taskHeader", "key": header.key}
    return _property(header.key, header.label, header.shown, binding, conditions or [])


def _property(
    name: str, label: str, shown: Shown, binding: dict[str, str], conditions: list[Condition]
) -> Property:
    prop: Property = {"id": name, "label": shown.label or label}
    for key, value in {
        "description": shown.description,
        "tooltip": shown.tooltip,
        "placeholder": shown.placeholder,
    }.items():
        if value:
            prop[key] = value
    prop["type"] = shown.kind
    if shown.feel:
        prop["feel"] = shown.feel
    if shown.default:
        prop["value"] = shown.default
    is_removable = binding["type"] in ("zeebe:input", "zeebe:taskHeader")
    optional = is_removable and not shown.required and not (shown.kind == "Dropdown" and shown.default)
    if optional:
        prop["optional"] = True
    constraints = _constraints(name, shown, optional)
    if constraints:
        prop["constraints"] = constraints
    if shown.choices:
        prop["choices"] = [
            {"name": shown_name, "value": value} for value, shown_name in shown.choices.items()
        ]
    prop |= {"group": shown.group, "binding": binding}
    if conditions:
        prop["condition"] = conditions[0] if len(conditions) == 1 else {"allMatch": conditions}
    return prop


def _constraints(name: str, shown: Shown, optional: bool) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if shown.required:
        constraints["notEmpty"] = True
    if shown.pattern:
        alternatives = [shown.pattern]
        if shown.feel:
            alternatives.insert(0, r"=[\s\S]*")
        if name in SECRET_INPUTS:
            alternatives.append(BARE)  # placeholders stand in the input's own pattern: it may have several
        pattern = f"^({'|'.join(alternatives)}){'?' if optional else ''}$"
        constraints["pattern"] = {"value": pattern, "message": shown.pattern_message}
        if optional:
            constraints["notEmpty"] = False  # the schema requires it
    return constraints
