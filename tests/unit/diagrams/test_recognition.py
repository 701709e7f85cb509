"""A task is recognised by what it is: its job type and its inputs, whatever template it is linked to."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest

from openai_connector.tools.diagrams.lint import check
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import TaskReport, migrate
from openai_connector.tools.diagrams.tasks import Task, tasks_of
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    OPENAI,
    azure_inputs,
    chat_inputs,
    diagram,
    moderation_inputs,
    task,
)

TODAY = date(2026, 11, 22)
IDS = ["2f4b1c9e-07c3-4a8e-9a54-7f0d5e8b1c11", "com.acme.ai", "io.camunda.connectors.OpenAI.v1-copy", None]
INPUTS = {"chat": chat_inputs(), "moderation": moderation_inputs(), "azure": azure_inputs()}
OWN = {"openai_apiKey": "{{secrets.KEY}}", "openai_model": "gpt-6-luna", "openai_prompt": "=1 +"}


def moved(text: str) -> tuple[Task, TaskReport]:
    """Migrate a diagram with one task, and read what came out."""
    migration = migrate(text.encode(), TODAY)
    (report,) = migration.tasks
    (result,) = tasks_of(Markup.read(migration.content))
    return result, report


@pytest.mark.parametrize("template", IDS, ids=map(str, IDS))
@pytest.mark.parametrize("kind", INPUTS)
def test_copy_of_a_template_is_moved_over(kind: str, template: str | None) -> None:
    """A task of a copy becomes the very task that one of the template itself becomes."""
    original = AZURE if kind == "azure" else OPENAI
    copied = diagram(task(INPUTS[kind], template=template, version=3))
    result, report = moved(copied)
    expected, _ = moved(diagram(task(INPUTS[kind], template=original, version=3)))
    assert report.migrated
    assert result.template_id == expected.template_id
    assert [(i.target, i.source) for i in result.inputs] == [(i.target, i.source) for i in expected.inputs]
    assert migrate(migrate(copied.encode(), TODAY).content, TODAY).tasks == []


@pytest.mark.parametrize("template", IDS, ids=map(str, IDS))
def test_copy_of_a_template_is_checked(template: str | None) -> None:
    """Lint finds in a task of a copy what it finds in one of the template."""
    text = diagram(task(chat_inputs(internal_model="gpt-4"), template=template, version=3))
    assert [finding.rule for finding in check(text.encode(), TODAY)] == ["model-shutdown"]


ALIKE = {
    "other job type": (chat_inputs(), {"job_type": "acme:ai"}, "its job type is acme:ai"),
    "other job type of Azure": (azure_inputs(), {"job_type": "acme:ai"}, "its job type is acme:ai"),
    "moderation": (moderation_inputs(), {"job_type": "acme:ai"}, "its job type is acme:ai"),
    "no operation": (chat_inputs(operation=None), {}, "its operation is missing"),
    "other operation": (chat_inputs(operation="summarize"), {}, "its operation is summarize"),
    "computed operation": (azure_inputs(operation="=what"), {}, "its operation is =what"),
}


@pytest.mark.parametrize(("inputs", "how", "why"), ALIKE.values(), ids=ALIKE)
def test_what_only_looks_like_a_task_is_named(inputs: dict[str, str], how: dict[str, str], why: str) -> None:
    """A task with such inputs, but another job type or operation, is named by both commands, and untouched."""
    text = diagram(task(inputs, template="com.acme.ai", **how))  # type: ignore[arg-type]
    migration = migrate(text.encode(), TODAY)
    (report,) = migration.tasks
    (finding,) = check(text.encode(), TODAY)
    assert (report.migrated, migration.content) == (False, text.encode())
    assert (finding.rule, finding.severity) == ("looks-like", "warning")
    for words in (report.reason or "", finding.message):
        assert "looks like" in words
        assert why in words


@pytest.mark.parametrize(
    "inputs",
    [
        {"url": "https://example.com", "method": "get"},
        {"operation": "chat", "url": "=u"},
        {"prompt": "=p"},
        {"operation": "run", "internal_model": "other"},
    ],
    ids=["rest", "operation alone", "other worker", "one name alike"],
)
@pytest.mark.parametrize("template", [*IDS, "io.camunda.connectors.HttpJson.v2"], ids=str)
def test_other_tasks_are_left_alone(inputs: dict[str, str], template: str | None) -> None:
    """A REST task that is none of them is neither changed nor named."""
    text = diagram(task(inputs, template=template)).encode()
    assert (migrate(text, TODAY).tasks, check(text, TODAY)) == ([], [])


@pytest.mark.parametrize("template", IDS, ids=map(str, IDS))
@pytest.mark.parametrize("operation", [{"openai_operation": "chat"}, {}], ids=["operation", "none"])
def test_copy_of_an_own_template_is_checked(operation: dict[str, str], template: str | None) -> None:
    """A task of this connector is found by its inputs, too, with a job type and a template of a company's own."""
    text = diagram(task(OWN | operation, {}, template=template, job_type="acme:ai"))
    assert "feel-syntax" in [finding.rule for finding in check(text.encode(), TODAY)]


WITHOUT = {
    "no definition": lambda text: re.sub(r" *<zeebe:taskDefinition[^>]*/>\n", "", text),
    "no extensions": lambda text: re.sub(
        r" *<bpmn:extensionElements>.*?</bpmn:extensionElements>\n", "", text, flags=re.DOTALL
    ),
    "nothing": lambda text: re.sub(
        r"(<bpmn:serviceTask[^>]*)>.*?</bpmn:serviceTask>", r"\1 />", text, flags=re.DOTALL
    ),
    "no definition, another kind": lambda text: re.sub(
        r" *<zeebe:taskDefinition[^>]*/>\n", "", text.replace("bpmn:serviceTask", "bpmn:scriptTask")
    ),
}


@pytest.mark.parametrize("without", WITHOUT.values(), ids=WITHOUT)
@pytest.mark.parametrize(("template", "kind"), [(OPENAI, "chat"), (OPENAI, "moderation"), (AZURE, "azure")])
def test_linked_task_without_a_definition_is_named(
    template: str, kind: str, without: Callable[[str], str]
) -> None:
    """A task that is linked to a template, but has lost what makes it one, is named by both commands."""
    text = without(diagram(task(INPUTS[kind], template=template))).encode()
    migration = migrate(text, TODAY)
    (report,) = migration.tasks
    assert (report.reason, migration.content) == ("its job type is missing", text)
    assert "not-migratable" in [finding.rule for finding in check(text, TODAY)]


def test_unlinked_tasks_without_a_definition() -> None:
    """Camunda's inputs look like a task of its templates, this connector's are one; other elements are none."""
    unlinked = WITHOUT["no definition"](diagram(task(chat_inputs(), template=None)))
    (report,) = migrate(unlinked.encode(), TODAY).tasks
    assert "its job type is missing" in (report.reason or "")
    assert [finding.rule for finding in check(unlinked.encode(), TODAY)] == ["looks-like"]
    own = WITHOUT["no definition"](diagram(task(OWN | {"openai_prompt": "=q"}, {}, template=None)))
    assert "The job type is missing: engines refuse that" in [f.message for f in check(own.encode(), TODAY)]
    for element in ('<bpmn:userTask id="u" />', '<bpmn:serviceTask id="s" />'):
        assert check(diagram(element).encode(), TODAY) == []
    other = WITHOUT["no definition"](diagram(task({"url": "=u"}, template="com.acme.other")))
    assert (migrate(other.encode(), TODAY).tasks, check(other.encode(), TODAY)) == ([], [])


@pytest.mark.parametrize(
    ("job_type", "is_named", "is_warned"),
    [
        ("=t", True, True),
        ("=if test then a else b", True, True),
        ("acme:ai", True, False),
        ("=&quot;acme:ai&quot;", True, False),
        ("=&quot;io.camunda:http-json:1&quot;", False, False),
        (" io.camunda:http-json:1 ", False, False),
    ],
)
@pytest.mark.parametrize("kind", INPUTS)
def test_job_type_that_somebody_chose_is_named(
    kind: str, job_type: str, is_named: bool, is_warned: bool
) -> None:
    """Another job type of a linked task is replaced, and that is said; an expression is to be looked at."""
    template = AZURE if kind == "azure" else OPENAI
    result, report = moved(diagram(task(INPUTS[kind], template=template, job_type=job_type)))
    assert result.job_type == "openai-connector:1"
    assert any("The job type" in change for change in report.changes) == is_named
    assert any("The job type" in warning for warning in report.warnings) == is_warned


def test_job_type_that_is_no_expression_is_found() -> None:
    """A job type's syntax is checked as that of any other expression."""
    (finding,) = [
        f
        for f in check(
            diagram(task(OWN | {"openai_prompt": "=q"}, {}, template=None, job_type="=1 +")).encode(), TODAY
        )
        if f.rule == "feel-syntax"
    ]
    assert finding.message.startswith("The job type has a FEEL syntax error")
