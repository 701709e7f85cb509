"""What a person decided is carried or named by its setting; a default that nobody chose is no decision."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from openai_connector.tasks.allowed_hosts import AllowedHosts
from openai_connector.tasks.camunda_http_task import CamundaHttpTasks
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


def test_expression_of_a_timeout_is_kept() -> None:
    """Somebody wrote an expression: that is a decision."""
    assert moved(chat_inputs(connectionTimeoutInSeconds="=limit"))[0] == "=limit"
    assert moved(chat_inputs(readTimeoutInSeconds="=limit"))[0] == "=limit"


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


def test_stream_that_is_off_is_carried() -> None:
    """The dropdown's other value is the API's default."""
    assert moved(azure_inputs(chatCompletion_stream="False"))[1].migrated
    assert moved(chat_inputs(body=BODY.replace('"n":', '"stream": false, "n":')))[1].migrated
