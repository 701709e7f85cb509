"""Rules for input mappings: whether each can be there, and whether a secret is where it belongs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from openai_connector.contract import OVERRIDES, PREFIX, STATE_VARIABLE
from openai_connector.tasks.operations import (
    INPUT_NAMES,
    OPERATION_INPUT,
    OPERATIONS,
    SECRET_INPUTS,
    Endpoint,
)
from openai_connector.tools.diagrams.camunda import LABELS
from openai_connector.tools.diagrams.constants import value_of
from openai_connector.tools.diagrams.lint.expressions import null_findings, syntax_findings
from openai_connector.tools.diagrams.lint.stand_ins import FIELDS_OF
from openai_connector.tools.diagrams.lint.subject import Finding, Severity, Subject, label_of
from openai_connector.tools.diagrams.placeholders import secrets_asked

NULL_SOURCES_FROM = (8, 8)
"""The first engine that takes an input without a source, as null."""
API_KEY = re.compile(r"sk-[A-Za-z0-9_-]{16,}", re.ASCII)
_KEY_INPUT = "openai_apiKey"


def sources_written(subject: Subject) -> Iterator[Finding]:
    """Check that each input has one mapping, with a source where the engine wants one."""
    targets = [mapped.target for mapped in subject.task.inputs]
    engine = subject.task.engine
    for mapped in subject.task.inputs:
        if mapped.is_absent and (engine is None or engine < NULL_SOURCES_FROM):
            severity: Severity = "warning" if engine is None else "error"
            named = "" if engine is None else f" It is for {engine[0]}.{engine[1]}."
            message = (
                f"The input {mapped.target} has no source: engines before 8.8 refuse the diagram.{named} "
                "Remove the input, or give it the value =null"
            )
            yield Finding("no-source", severity, message, mapped.node.line)
        if targets.count(mapped.target) > 1:
            message = f"The input {mapped.target} is mapped more than once: only the last mapping counts"
            yield Finding("mapped-twice", "warning", message, mapped.node.line)


def syntax(subject: Subject) -> Iterator[Finding]:
    """Check the expressions of the inputs, the job type, and the number of retries."""
    for mapped in subject.task.inputs:
        if mapped.is_feel:
            label = label_of(subject.ours(mapped.target))
            yield from syntax_findings(label, mapped.source or "", mapped.node.line)
            yield from null_findings(label, mapped.source or "", mapped.node.line)
    line = (subject.task.definition or subject.task.node).line
    if not subject.task.job_type:
        yield Finding("bad-input", "error", "The job type is missing: engines refuse that", line)
    elif subject.task.job_type.startswith("="):
        yield from syntax_findings("The job type", subject.task.job_type, line)
    retries = subject.task.retries
    if retries is None:
        return
    if retries.startswith("="):
        yield from syntax_findings("Retries", retries, line)
    elif not re.fullmatch(r"[0-9]+", retries.strip()):
        message = f"Retries must be a whole number, got '{retries[:100]}'"
        yield Finding("bad-input", "error", message, line)


def literal_keys(subject: Subject) -> Iterator[Finding]:
    """Check that no API key is written in the diagram."""
    how = "anyone who reads the diagram can use it; give it as {{secrets.NAME}}"
    value = value_of(subject.sources.get(_KEY_INPUT, "").strip())
    if isinstance(value, str) and value and not secrets_asked(value):
        message = f"{LABELS[_KEY_INPUT]} is written in the diagram: {how}"
        yield Finding("literal-key", "error", message, subject.line_of(_KEY_INPUT))
    for mapped in subject.task.inputs:
        if API_KEY.search(mapped.source or "") and subject.ours(mapped.target) != _KEY_INPUT:
            message = f"The input {mapped.target} holds an API key: {how}"
            yield Finding("literal-key", "error", message, mapped.node.line)
    for header in subject.task.headers:
        if API_KEY.search(header.value):
            message = f"The header {header.key} holds an API key: {how}"
            yield Finding("literal-key", "error", message, header.node.line)


def unknown_inputs(subject: Subject) -> Iterator[Finding]:
    """Check that the worker reads each input that bears its prefix, and that the operation uses it."""
    known = {*INPUT_NAMES, *OVERRIDES.values()}
    for target in subject.sources:
        if not target.startswith(PREFIX) or target in known:
            continue
        if target == STATE_VARIABLE:
            message = f"The input {target} is reserved for the worker: remove it"
        else:
            close = difflib.get_close_matches(target, known, 1)
            message = f"The input {target} is unknown" + (f": is {close[0]} meant?" if close else "")
        yield Finding("unknown-input", "error", message, subject.line_of(target))
    operation = OPERATIONS.get(subject.operation)
    if operation is None:
        return
    used = FIELDS_OF[Endpoint] | FIELDS_OF[operation] | {OPERATION_INPUT}
    for target in subject.sources:
        if target in INPUT_NAMES and target not in used:
            label = label_of(target)
            message = f"{label} is not used by the operation {operation.name}: remove the input {target}"
            yield Finding("unused-input", "warning", message, subject.line_of(target))


def misplaced_secrets(subject: Subject) -> Iterator[Finding]:
    """Check that secrets are asked for only where the worker resolves them."""
    allowed = ", ".join(label_of(name) for name in SECRET_INPUTS)
    for target, source in subject.sources.items():
        if target in INPUT_NAMES and target not in SECRET_INPUTS and (names := secrets_asked(source)):
            message = (
                f"{label_of(target)} asks for the secret {names[0]}, but would be sent as it is written: "
                f"secrets are for {allowed} only"
            )
            yield Finding("misplaced-secret", "error", message, subject.line_of(target))
