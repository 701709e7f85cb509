"""What the engine takes as absent is absent: headers without a value, inputs without a source."""

from __future__ import annotations

from datetime import date

import pytest

from openai_connector.tools.diagrams.lint import Finding, check
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import TaskReport, migrate
from openai_connector.tools.diagrams.tasks import Task, tasks_of
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
OWN = {
    "openai_apiKey": "{{secrets.KEY}}",
    "openai_operation": "chat",
    "openai_model": "gpt-6-luna",
    "openai_prompt": "=question",
}


def moved(text: str) -> tuple[Task, TaskReport]:
    """Migrate a diagram with one task, and read what came out."""
    migration = migrate(text.encode(), TODAY)
    (report,) = migration.tasks
    (result,) = tasks_of(Markup.read(migration.content))
    return result, report


def with_header(text: str, header: str) -> str:
    return text.replace("<zeebe:taskHeaders>", f"<zeebe:taskHeaders>\n          {header}")


def with_input(text: str, mapping: str) -> str:
    return text.replace("<zeebe:ioMapping>", f"<zeebe:ioMapping>\n          {mapping}")


def of_rule(rule: str, text: str) -> list[Finding]:
    return [finding for finding in check(text.encode(), TODAY) if finding.rule == rule]


HEADERS = {
    "no value": '<zeebe:header key="resultVariable" />',
    "empty value": '<zeebe:header key="retryBackoff" value="" />',
    "not self-closing": '<zeebe:header key="errorExpression"></zeebe:header>',
    "no key": '<zeebe:header value="orphan" />',
    "neither": "<zeebe:header />",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("kind", ["chat", "moderation", "azure"])
def test_header_without_key_or_value_is_carried(kind: str, header: str) -> None:
    """The engine leaves such a header out; the task is moved over, and the header keeps its bytes."""
    tasks = {
        "chat": task(chat_inputs()),
        "moderation": task(moderation_inputs()),
        "azure": task(azure_inputs(), template=AZURE, version=4),
    }
    text = with_header(diagram(tasks[kind]), header)
    result, report = moved(text)
    assert report.migrated
    assert header in migrate(text.encode(), TODAY).content.decode()
    assert result.header_values()["resultExpression"] == "={openAiResponse: response.body}"
    assert of_rule("not-migratable", text) == []


@pytest.mark.parametrize("key", ["elementTemplateId", "elementTemplateVersion"])
@pytest.mark.parametrize("value", ["", ' value=""'], ids=["none", "empty"])
def test_header_of_the_template_gets_its_value(key: str, value: str) -> None:
    """A header that the template needs is given its value where it has none."""
    text = with_header(diagram(task(chat_inputs(), version=5)), f'<zeebe:header key="{key}"{value} />')
    result, _ = moved(text)
    keys = [header.key for header in result.headers]
    assert keys.count(key) == 1
    assert result.header_values()[key] in ("openai-connector.v1", "1")


def test_valueless_header_hides_no_other() -> None:
    """A header without a value does not stand for one of the same name that has one."""
    text = diagram(task(OWN, {"resultExpression": "={a: }"}, template=None, version=None))
    empty = '<zeebe:header key="resultExpression" />'
    broken = text.replace("        </zeebe:taskHeaders>", f"          {empty}\n        </zeebe:taskHeaders>")
    assert [finding.rule for finding in check(broken.encode(), TODAY)] == ["bad-header"]


TWICE = {
    "result": ("resultExpression", "={z: 1}"),
    "same value": ("resultExpression", "={openAiResponse: response.body}"),
    "template's": ("elementTemplateId", "x"),
}


@pytest.mark.parametrize(("key", "value"), TWICE.values(), ids=TWICE)
def test_header_given_twice_is_named(key: str, value: str) -> None:
    """Both commands say that a header is given more than once: only one of them can reach the job."""
    text = with_header(diagram(task(chat_inputs())), f'<zeebe:header key="{key}" value="{value}" />')
    findings = of_rule("header-twice", text)
    assert [finding.message for finding in findings] == [
        f"The header {key} is given more than once: remove all but one"
    ] * 2
    assert len({finding.line for finding in findings}) == 2
    assert moved(text)[1].warnings.count(findings[0].message) == 1
    own = diagram(task(OWN, {"resultVariable": "a", key: value}, template=None, version=None))
    assert len(of_rule("header-twice", with_header(own, f'<zeebe:header key="{key}" value="b" />'))) == 2


@pytest.mark.parametrize("job_type", [' type=""', "", ' type=" "'], ids=["empty", "none", "blank"])
def test_missing_job_type_is_named(job_type: str) -> None:
    """Where the job type is what is missing, migrate and lint say just that."""
    text = diagram(task(chat_inputs())).replace(' type="io.camunda:http-json:1"', job_type)
    _, report = moved(text)
    assert report.reason == "its job type is missing"
    (finding,) = of_rule("not-migratable", text)
    assert finding.message.endswith("its job type is missing")
    own = diagram(task(OWN, {"resultVariable": "a"}, template=None, version=None, job_type="x"))
    (finding,) = check(own.replace(' type="x"', job_type).encode(), TODAY)
    assert finding.message.startswith("The job type is missing")


INPUTS = {
    "organization": "internal_organization",
    "system message": "internal_systemMessage",
    "history": "internal_chatHistory",
    "custom model": "internal_custom_model",
    "query": "queryParameters",
    "other credentials": "authentication.username",
    "read timeout": "readTimeoutInSeconds",
    "other operation's": "internal_textToAnalyze",
}


@pytest.mark.parametrize("target", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("source", ["", ' source=""'], ids=["none", "empty"])
def test_input_without_source_is_not_given(target: str, source: str) -> None:
    """An input of Camunda's template that has no source is null there, and dropped here; the rest is carried."""
    plain = diagram(task(chat_inputs()), version="8.8.0")
    text = with_input(plain, f'<zeebe:input{source} target="{target}" />')
    result, report = moved(text)
    assert report.migrated
    assert f"Inputs without a source are dropped: {target}" in report.changes
    assert {i.target: i.source for i in result.inputs} == {i.target: i.source for i in moved(plain)[0].inputs}


def test_hand_made_input_without_source_stays() -> None:
    """An input that a person added to keep a variable out stays as it is."""
    mapping = '<zeebe:input target="secretPlans" />'
    text = with_input(diagram(task(chat_inputs()), version="8.8.0"), mapping)
    assert mapping in migrate(text.encode(), TODAY).content.decode()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("internal_prompt", "Prompt is missing"),
        ("authentication.token", "OpenAI API key is missing"),
        ("internal_model", "Model is missing"),
        ("url", "the URL is missing"),
        ("method", "the method is missing"),
        ("operation", "the operation is missing"),
    ],
)
def test_needed_input_without_source_is_named(target: str, reason: str) -> None:
    """What a task cannot do without is named where it has no source."""
    source = chat_inputs()[target].replace('"', "&quot;")
    text = diagram(task(chat_inputs())).replace(
        f' source="{source}" target="{target}"', f' target="{target}"'
    )
    assert reason in (moved(text)[1].reason or "")


VERSIONS = {
    "8.8.0": None,
    "8.8": None,
    "8.9.1": None,
    "8.10.0-alpha3": None,
    "9.0.0": None,
    "8.7.9": "error",
    "8.5.0": "error",
    "8.0.0": "error",
    "1.3.0": "error",
    "later": "warning",
    None: "warning",
}


@pytest.mark.parametrize(("version", "severity"), VERSIONS.items(), ids=map(str, VERSIONS))
@pytest.mark.parametrize("source", ["", ' source=""'], ids=["none", "empty"])
def test_missing_source_depends_on_the_engine(version: str | None, severity: str | None, source: str) -> None:
    """From 8.8 on it is null; it is an error where an older engine is named, a warning where none is."""
    text = diagram(task(OWN, {"resultVariable": "a"}, template=None, version=None), version=version)
    found = check(with_input(text, f'<zeebe:input{source} target="openai_temperature" />').encode(), TODAY)
    assert [(f.rule, f.severity) for f in found] == ([("no-source", severity)] if severity else [])


def test_platform_of_another_product_names_no_engine() -> None:
    """A version of Camunda 7 says nothing about Zeebe."""
    text = diagram(task(OWN, {"resultVariable": "a"}, template=None, version=None), version="7.21.0")
    text = text.replace('executionPlatform="Camunda Cloud"', 'executionPlatform="Camunda Platform"')
    (finding,) = check(with_input(text, '<zeebe:input target="openai_topP" />').encode(), TODAY)
    assert finding.severity == "warning"
