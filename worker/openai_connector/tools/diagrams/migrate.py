"""Moving the tasks of Camunda's own OpenAI templates over to this connector's.

A task is rewritten by small edits: an input is renamed where it stands, so that its value keeps its bytes;
what the general REST connector needed is taken out; job type, template and headers are set. A task that asks
for something without a counterpart here is left as it is, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from openai_connector.tasks.operations import OPERATION_INPUT
from openai_connector.tasks.operations.chat import CUSTOM
from openai_connector.tasks.operations.models import CHAT_MODEL_CHOICES, shutdown_of
from openai_connector.tools.diagrams.camunda import Carried, NotCarriedError, carry, likeness_of, template_of
from openai_connector.tools.diagrams.lint import check_task
from openai_connector.tools.diagrams.markup import Attribute, Edit, Markup, Node, Span, escaped
from openai_connector.tools.diagrams.tasks import (
    TEMPLATE,
    TEMPLATE_ICON,
    TEMPLATE_VERSION,
    ZEEBE,
    Task,
    tasks_of,
)
from openai_connector.tools.templates import JOB_TYPE, VARIANTS, render
from openai_connector.tools.templates.panel import RETRIES

TEMPLATE_FILES = {False: "openai-connector.json", True: "azure-openai.json"}


@dataclass(slots=True)
class TaskReport:
    """What became of one task."""

    element_id: str
    name: str
    line: int
    migrated: bool
    changes: list[str] = field(default_factory=list)
    """What is different now."""
    warnings: list[str] = field(default_factory=list)
    """What a person should look at, shut down models among it."""
    reason: str | None = None
    """Why the task was left as it is."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A diagram with its tasks moved over."""

    content: bytes
    tasks: list[TaskReport]


def migrate(
    data: bytes, today: date, *, job_type: str = JOB_TYPE, replaces_models: bool = False
) -> Migration:
    """Move a diagram's tasks over; bytes outside of them stay as they are.

    Args:
        data: the file.
        today: decides which models are shut down.
        job_type: of the new tasks.
        replaces_models: replace models whose end is announced by those that OpenAI names.

    Raises:
        DiagramError: the file cannot be read.
    """
    markup = Markup.read(data)
    edits: list[Edit] = []
    reports = []
    for task in tasks_of(markup):
        looks_like = likeness_of(task)
        if template_of(task) is None and looks_like is None:
            continue
        report = TaskReport(task.element_id, task.name, task.node.line, migrated=False, reason=looks_like)
        reports.append(report)
        if looks_like is not None:
            continue
        try:
            carried = carry(task)
        except NotCarriedError as error:
            report.reason = str(error)
            continue
        report.migrated = True
        if replaces_models:
            _replace_model(task, carried, today)
        edits += _Rewriting(markup, task, carried, job_type).edits()
        report.changes, report.warnings = carried.changes, carried.warnings
    content = markup.edited(edits)
    _look_at(content, reports, today)
    return Migration(content, reports)


def _look_at(content: bytes, reports: list[TaskReport], today: date) -> None:
    """Check the tasks that were written, as `lint` does."""
    by_id = {report.element_id: report for report in reports if report.migrated}
    for task in tasks_of(Markup.read(content)):
        report = by_id.get(task.element_id)
        if report is not None:
            found = (finding.message for finding in check_task(task, today))
            report.warnings += dict.fromkeys(found)


def _replace_model(task: Task, carried: Carried, today: date) -> None:
    """Replace a model whose end is announced by the one that OpenAI names."""
    model = carried.model(task)
    shutdown = shutdown_of(model) if model else None
    if shutdown is None or shutdown.replacement is None:
        return
    listed = shutdown.replacement in CHAT_MODEL_CHOICES
    carried.sources["openai_model"] = shutdown.replacement if listed else CUSTOM
    if listed:
        for old in [old for old, new in carried.targets.items() if new == "openai_customModel"]:
            del carried.targets[old]
            carried.removed.append(old)
    else:
        carried.sources["openai_customModel"] = shutdown.replacement
    carried.changes = [change for change in carried.changes if not change.startswith("Model ")]
    carried.changes.append(f"Model {model} is now {shutdown.replacement}: {shutdown.sentence(today)}")


@cache
def _template(file: str) -> dict[str, Any]:
    return render(next(variant for variant in VARIANTS if variant.file == file))


def _defaults(template: Mapping[str, Any], inputs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what Modeler would write for inputs that have a default and are not there yet."""
    values = dict(inputs)
    for prop in template["properties"]:
        binding = prop["binding"]
        if binding["type"] != "zeebe:input" or prop.get("optional") or not prop.get("value"):
            continue
        name = binding["name"]
        if name not in values and name != OPERATION_INPUT and _is_met(prop.get("condition"), values):
            values[name] = prop["value"]
            yield name, prop["value"]


def _is_met(condition: Mapping[str, Any] | None, values: Mapping[str, str]) -> bool:
    if condition is None:
        return True
    if "allMatch" in condition:
        return all(_is_met(part, values) for part in condition["allMatch"])
    wanted = [condition["equals"]] if "equals" in condition else condition["oneOf"]
    return values.get(condition["property"]) in wanted


class _Rewriting:
    """The edits that make one task another."""

    def __init__(self, markup: Markup, task: Task, carried: Carried, job_type: str) -> None:
        self._markup = markup
        self._task = task
        self._carried = carried
        self._job_type = job_type
        self._template = _template(TEMPLATE_FILES[carried.is_azure])

    def edits(self) -> Iterator[Edit]:
        """Yield the edits; none overlaps another."""
        yield from self._link()
        definition = self._task.definition
        assert definition is not None
        yield Edit(_attribute(definition, "type").span, escaped(self._job_type))
        if self._task.retries is None:
            # Templates before version 8 write none: the engine's default, which the panel wants to see.
            yield _insertion(_end_of_attributes(definition), f' retries="{RETRIES.default}"')
        yield from self._inputs()
        yield from self._headers()

    def _link(self) -> Iterator[Edit]:
        """Set the attributes that link an element to its template."""
        node = self._task.node
        if node.name != "serviceTask" and self._task.template_id is None:
            return  # the templates are for service tasks; anything else works as well without a link
        wanted = {
            TEMPLATE: self._template["id"],
            TEMPLATE_VERSION: str(self._template["version"]),
            TEMPLATE_ICON: self._template["icon"]["contents"],
        }
        prefix = _prefix(node)
        declared = "" if prefix else f' xmlns:zeebe="{ZEEBE}"'
        added = declared
        for name, value in wanted.items():
            attribute = node.attributes.get((ZEEBE, name))
            if attribute is not None:
                yield Edit(attribute.span, escaped(value))
            else:
                added += f' {prefix or "zeebe"}:{name}="{escaped(value)}"'
        if added != declared:
            yield _insertion(_end_of_attributes(node), added)

    def _inputs(self) -> Iterator[Edit]:
        carried, inputs = self._carried, self._carried.inputs(self._task)
        first = self._task.inputs[0].node
        written = set()
        for mapped in self._task.inputs:
            if mapped.target in carried.removed:
                if mapped.node is not first:
                    yield self._removal(mapped.node)
                continue
            new = carried.targets.get(mapped.target, mapped.target)
            written.add(new)
            if new != mapped.target:
                yield Edit(_attribute(mapped.node, "target").span, new)
            if new in carried.sources:
                yield Edit(_attribute(mapped.node, "source").span, escaped(carried.sources[new]))
        added = {target: source for target, source in inputs.items() if target not in written}
        added |= dict(_defaults(self._template, inputs))
        texts = [self._element(first, source=source, target=target) for target, source in added.items()]
        blank = self._markup.blank_before(first.start)
        if self._task.inputs[0].target in carried.removed:
            # Its place is taken by what is new; with nothing new it goes with the white space before it.
            yield Edit(Span(first.start, first.end), blank.join(texts)) if texts else self._removal(first)
        elif texts:
            yield _insertion(first.start, "".join(text + blank for text in texts))

    def _headers(self) -> Iterator[Edit]:
        wanted = {
            "elementTemplateId": self._template["id"],
            "elementTemplateVersion": str(self._template["version"]),
        }
        for header in self._task.headers:
            value = wanted.get(header.key)
            if value is not None:
                yield _value(header.node, "value", value)
        wanted = {key: value for key, value in wanted.items() if key not in self._header_keys()}
        if not wanted:
            return
        box, mappings = self._task.task_headers, self._task.io_mapping
        assert mappings is not None
        sample = self._task.inputs[0].node
        inner = self._markup.blank_before(sample.start)
        prefix = sample.tag.removesuffix("input") if box is None else box.tag.removesuffix("taskHeaders")
        texts = [
            self._element(sample, f"{prefix}header", key=key, value=value) for key, value in wanted.items()
        ]
        if box is not None and self._task.headers:
            first = self._task.headers[0].node
            blank = self._markup.blank_before(first.start)
            yield _insertion(first.start, "".join(text + blank for text in texts))
        elif box is not None and not box.is_empty:
            yield _insertion(box.tag_end, "".join(inner + text for text in texts))
        else:
            outer = self._markup.blank_before(mappings.start)
            body = "".join(inner + text for text in texts)
            declared = self._declaration(prefix.removesuffix(":"))
            whole = f"<{prefix}taskHeaders{declared}>{body}{outer}</{prefix}taskHeaders>"
            if box is not None:
                yield Edit(Span(box.start, box.end), whole)
            else:
                yield _insertion(mappings.end, outer + whole)

    def _header_keys(self) -> set[str]:
        return {header.key for header in self._task.headers}

    def _declaration(self, prefix: str) -> str:
        """Return the declaration of Zeebe's namespace; empty if the prefix is declared around the mappings.

        A declaration at the mappings themselves is not valid outside of them.
        """
        assert self._task.extensions is not None
        if self._task.extensions.prefixes.get(prefix) == ZEEBE:
            return ""
        return f' xmlns:{prefix}="{ZEEBE}"' if prefix else f' xmlns="{ZEEBE}"'

    def _removal(self, node: Node) -> Edit:
        return Edit(Span(node.start - len(self._markup.blank_before(node.start).encode()), node.end), "")

    def _element(self, like: Node, tag: str = "", **attributes: str) -> str:
        """Write an element the way another one is written."""
        closes = " />" if self._markup.raw(Span(like.start, like.tag_end)).endswith(" />") else "/>"
        written = "".join(f' {name}="{escaped(value)}"' for name, value in attributes.items())
        return f"<{tag or like.tag}{written}{closes}"


def _insertion(position: int, text: str) -> Edit:
    return Edit(Span(position, position), text)


def _value(node: Node, name: str, value: str) -> Edit:
    """Return the edit that gives an attribute a value, whether it is there or not."""
    if ("", name) in node.attributes:
        return Edit(_attribute(node, name).span, escaped(value))
    return _insertion(_end_of_attributes(node), f' {name}="{escaped(value)}"')


def _attribute(node: Node, name: str) -> Attribute:
    return node.attributes["", name]


def _end_of_attributes(node: Node) -> int:
    ends = [attribute.end for attribute in node.attributes.values()]
    return max(ends, default=node.start + 1 + len(node.tag.encode()))


def _prefix(node: Node) -> str | None:
    """Return the prefix for Zeebe's attributes; the default namespace is for elements only."""
    return next(
        (prefix for prefix, namespace in node.prefixes.items() if prefix and namespace == ZEEBE), None
    )
