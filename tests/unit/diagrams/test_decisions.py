"""What a person decided is carried or named by its setting; a default that nobody chose is no decision."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
from openai_connector.tools.diagrams.constants import value_of
from openai_connector.tools.diagrams.markup import Markup
from openai_connector.tools.diagrams.migrate import TaskReport, migrate
from openai_connector.tools.diagrams.placeholders import AskedSecrets
from openai_connector.tools.diagrams.tasks import tasks_of
from tests.unit.diagrams.camunda_diagrams import (
    AZURE,
    AZURE_BODY,
    BODY,
    OPENAI,
    azure_inputs,
    chat_inputs,
    diagram,
    task,
)

TODAY = date(2026, 11, 22)


def moved(inputs: dict[str, str]) -> tuple[str | None, TaskReport]:
    """Migrate a task; give its request timeout and the report."""
    template = AZURE if "chatCompletion_messageContent" in inputs else OPENAI
    migration = migrate(diagram(task(inputs, template=template)).encode(), TODAY)
    (report,) = migration.tasks
    (result,) = tasks_of(Markup.read(migration.content))
    mapped = result.input("openai_timeout")
    return (None if mapped is None else mapped.source), report


def put_last(inputs: dict[str, str], name: str) -> dict[str, str]:
    """Move a mapping behind all others."""
    return {target: source for target, source in inputs.items() if target != name} | {name: inputs[name]}


TIMEOUTS: dict[str, tuple[dict[str, str | None], str | None]] = {
    "untouched default": ({}, None),
    "none": ({"connectionTimeoutInSeconds": None}, None),
    "shorter to connect": ({"connectionTimeoutInSeconds": "10"}, None),
    "zero": ({"connectionTimeoutInSeconds": "0"}, None),
    "as long as the worker's": ({"connectionTimeoutInSeconds": "180"}, None),
    "longer to connect": ({"connectionTimeoutInSeconds": "300"}, "300"),
    "reading": ({"readTimeoutInSeconds": "60"}, "60"),
    "reading, nothing to connect": (
        {"readTimeoutInSeconds": "60", "connectionTimeoutInSeconds": None},
        "60",
    ),
    "reading without limit": ({"readTimeoutInSeconds": "0"}, None),
    "reading without limit, long to connect": (
        {"readTimeoutInSeconds": "0", "connectionTimeoutInSeconds": "240"},
        "240",
    ),
    "writing": ({"writeTimeoutInSeconds": "60"}, None),
}


@pytest.mark.parametrize(("changed", "expected"), TIMEOUTS.values(), ids=TIMEOUTS)
@pytest.mark.parametrize("of", ["openai", "azure"])
def test_timeouts_mean_the_same_in_both_ways(
    of: str, changed: dict[str, str | None], expected: str | None
) -> None:
    """Moved over, a task waits for its answer as long as the drop-in waits for it."""
    inputs = chat_inputs(**changed) if of == "openai" else azure_inputs(**changed)
    timeout, report = moved(inputs)
    assert (report.migrated, timeout) == (True, expected)
    default = timedelta(seconds=180)
    served = CamundaHttpTasks(AllowedHosts(["*"]), AskedSecrets(), default).time_needed(inputs)
    assert served == (default if timeout is None else timedelta(seconds=int(timeout)))
    for name in changed.keys() & inputs.keys():
        assert any(name in change for change in report.changes)


def test_expression_of_a_timeout() -> None:
    """That of reading is kept; that of connecting is no limit for an answer. Both are pointed at."""
    timeout, report = moved(chat_inputs(readTimeoutInSeconds="=limit"))
    assert timeout == "=limit"
    assert any("readTimeoutInSeconds =limit" in warning for warning in report.warnings)
    timeout, report = moved(chat_inputs(connectionTimeoutInSeconds="=limit"))
    assert timeout is None
    assert any("connectionTimeoutInSeconds =limit is dropped" in change for change in report.changes)
    assert any("connectionTimeoutInSeconds was an expression" in warning for warning in report.warnings)


WRITTEN = ["30", "=30", "30.0", " 30 ", "PT30S", '="PT30S"', "=15 * 2", "030", "=null", "soon", "PT3M", "180"]
LONGER = ["400", "=400", "400.0", "PT400S", '="400"', "=200 * 2", "pt6m40s"]


@pytest.mark.parametrize("how", WRITTEN)
def test_time_to_connect_means_the_same_however_it_is_written(how: str) -> None:
    """A time to connect up to the worker's own timeout is dropped and named, in any spelling."""
    timeout, report = moved(chat_inputs(connectionTimeoutInSeconds=how))
    assert timeout is None
    assert any("connectionTimeoutInSeconds" in change and "dropped" in change for change in report.changes)
    assert not any("connectionTimeoutInSeconds" in warning for warning in report.warnings)
    assert served(connectionTimeoutInSeconds=how) == 180


@pytest.mark.parametrize("how", LONGER)
def test_longer_time_to_connect_means_the_same_however_it_is_written(how: str) -> None:
    """A longer time to connect is the request timeout in both ways."""
    assert moved(chat_inputs(connectionTimeoutInSeconds=how))[0] == how
    assert served(connectionTimeoutInSeconds=how) == 400


@pytest.mark.parametrize("how", ["20", "=20", "20.0", "PT20S", '="20"'])
def test_time_to_read_is_carried_and_pointed_at(how: str) -> None:
    """A time to read is for the whole call here, which a person should know."""
    timeout, report = moved(chat_inputs(readTimeoutInSeconds=how))
    assert timeout == how
    assert served(readTimeoutInSeconds=how) == 20
    assert any("readTimeoutInSeconds" in warning and "whole call" in warning for warning in report.warnings)


@pytest.mark.parametrize("how", ["0", "=0", "0.0", "PT0S", "=null", "soon", "-1"])
def test_time_to_read_that_is_none_is_dropped(how: str) -> None:
    """No limit, or nothing that can be read, leaves the worker's own timeout, in both ways."""
    timeout, report = moved(chat_inputs(readTimeoutInSeconds=how))
    assert (timeout, served(readTimeoutInSeconds=how)) == (None, 180)
    assert any(change.startswith("readTimeoutInSeconds") for change in report.changes)


def served(**timeouts: str) -> float:
    """Return for how long the drop-in waits, in seconds."""
    values = {name: value_of(source.strip()) for name, source in timeouts.items()}
    tasks = CamundaHttpTasks(AllowedHosts(["*"]), AskedSecrets(), timedelta(seconds=180))
    return tasks.time_needed(values).total_seconds()


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        ("1", None),
        ("=1", None),
        ("=1.0", None),
        ("1.0", None),
        (" 1 ", None),
        ('="1"', None),
        ("=0.5 + 0.5", None),
        ("0.7", "0.7"),
        ("=0.7", "=0.7"),
        ("=warmth", "=warmth"),
    ],
)
@pytest.mark.parametrize("of", ["openai", "azure"])
def test_temperature_means_the_same_however_it_is_written(
    of: str, temperature: str, expected: str | None
) -> None:
    """The default 1 is left empty in any spelling; what a person or the process decides is kept."""
    if of == "openai":
        inputs, template = chat_inputs(internal_temperature=temperature), OPENAI
    else:
        inputs, template = azure_inputs(chatCompletion_temperature=temperature), AZURE
    migration = migrate(diagram(task(inputs, template=template)).encode(), TODAY)
    (result,) = tasks_of(Markup.read(migration.content))
    mapped = result.input("openai_temperature")
    assert (None if mapped is None else mapped.source) == expected


REASONS = {
    "stream of Azure": (azure_inputs(chatCompletion_stream="True"), "Stream is on"),
    "stream by hand": (chat_inputs(body=BODY.replace('"n":', '"stream": true, "n":')), "Stream is on"),
    "stream of Azure by hand": (
        azure_inputs(body=AZURE_BODY.replace('chatCompletion_stream = "True"', "true")),
        "Stream is on",
    ),
    "role": (azure_inputs(chatCompletion_messageRole="assistant"), "Message role is assistant"),
    "key in the query": (
        azure_inputs(authentication__apiKeyLocation="query"),
        "authentication.apiKeyLocation is query",
    ),
    "name of the key": (azure_inputs(authentication__name="Ocp-Key"), "authentication.name is Ocp-Key"),
    "no authentication": (
        chat_inputs(authentication__type="noAuth", authentication__token=None),
        "authentication.type is noAuth",
    ),
    "no key": (chat_inputs(authentication__token=None), "OpenAI API key is missing"),
    "read in a filter": (
        chat_inputs(own="=response.items[url = 1]"),
        "the input own has a filter that may read the variable url",
    ),
    "method": (chat_inputs(method="get"), "the method is not POST"),
}


@pytest.mark.parametrize(("inputs", "reason"), REASONS.values(), ids=REASONS)
def test_refusal_names_the_setting(inputs: dict[str, str], reason: str) -> None:
    """A task that is left as it is says which setting is in the way, and blames nobody's hand for a dropdown."""
    _, report = moved(inputs)
    assert not report.migrated
    assert reason in (report.reason or "")
    assert "by hand" not in (report.reason or "")


NOT_SENT = {
    "tools": (azure_inputs(chatCompletion_tools="=[{}]"), "chatCompletion_tools =[{}] is set"),
    "enhancements": (
        azure_inputs(chatCompletion_enhancements="={a: 1}"),
        "chatCompletion_enhancements ={a: 1}",
    ),
    "data sources": (azure_inputs(chatCompletion_dataSources="=[{}]"), "chatCompletion_dataSources =[{}]"),
    "content part": (azure_inputs(chatCompletion_contentPart="x"), "chatCompletion_contentPart x"),
    "history of Azure": (
        put_last(azure_inputs(chatCompletion_messages="=h"), "chatCompletion_messages"),
        "=h",
    ),
    "resource of Azure": (put_last(azure_inputs(), "chatCompletion_resourceName"), "contoso is set"),
    "limit of Azure": (
        put_last(azure_inputs(chatCompletion_maxTokens="9"), "chatCompletion_maxTokens"),
        "(chatCompletion_maxTokens) 9",
    ),
    "system message": (
        put_last(chat_inputs(internal_systemMessage="=rules"), "internal_systemMessage"),
        "(internal_systemMessage) =rules",
    ),
    "organization": (
        put_last(chat_inputs(internal_organization="org-1"), "internal_organization"),
        "(internal_organization) org-1",
    ),
    "tools of an older body": (
        put_last(
            azure_inputs(
                chatCompletion_tools="=[{}]", body=AZURE_BODY.replace("chatCompletion_tools", "null")
            ),
            "body",
        ),
        "the input body does not read it",
    ),
}


@pytest.mark.parametrize(("inputs", "named"), NOT_SENT.values(), ids=NOT_SENT)
def test_setting_that_is_not_sent_is_named(inputs: dict[str, str], named: str) -> None:
    """A setting that the request has not, for the order of the mappings or an older body, is named as that."""
    _, report = moved(inputs)
    assert named in (report.reason or "")
    assert "is set, but not sent" in (report.reason or "")
    assert "by hand" not in (report.reason or "")


@pytest.mark.parametrize("name", ["tools", "enhancements", "dataSources", "contentPart"])
def test_setting_that_is_sent_is_carried(name: str) -> None:
    """Before the body, where Modeler puts it, such a setting becomes an entry of the extra body."""
    _, report = moved(put_last(azure_inputs(**{f"chatCompletion_{name}": "=things"}), "body"))
    assert report.migrated
    assert f"chatCompletion_{name} is now the entry {name} of Extra body" in report.changes


@pytest.mark.parametrize(
    ("stream", "is_named", "is_warned"),
    [
        ("=x", True, True),
        ("=if a then b else c", True, True),
        ("=true", True, False),
        ("true", True, False),
        ("False", False, False),
        ("=false", False, False),
        ('="False"', False, False),
        (None, False, False),
    ],
)
def test_stream_that_is_dropped_is_named(stream: str | None, is_named: bool, is_warned: bool) -> None:
    """Whatever may have been meant as a stream is named among the changes; an expression is to be looked at."""
    _, report = moved(azure_inputs(chatCompletion_stream=stream))
    assert report.migrated
    assert any("chatCompletion_stream" in change for change in report.changes) == is_named
    assert any("chatCompletion_stream" in warning for warning in report.warnings) == is_warned


def test_stream_that_is_off_is_carried() -> None:
    """The dropdown's other value is the API's default."""
    assert moved(azure_inputs(chatCompletion_stream="False"))[1].migrated
    assert moved(chat_inputs(body=BODY.replace('"n":', '"stream": false, "n":')))[1].migrated
