"""The history of process instances: what it counts, how much it keeps, and what it survives."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from local_engine.documents import read_document
from openai_connector.tools.sandbox import history as module
from openai_connector.tools.sandbox.history import History
from openai_connector.tools.sandbox.history_file import FILE_NAME
from openai_connector.tools.sandbox.past import LONGEST_VALUE, Past, dump, kept, load
from tests.local_engine import bpmn
from tests.sandbox.sandbox import sandbox


def work(*parts: str, process_id: str = "p") -> bytes:
    """Return a process of a start, a job of the type `work`, and an end."""
    return bpmn.definitions(
        bpmn.process(
            process_id, bpmn.START, bpmn.job("work"), bpmn.END, bpmn.chain("start", "work", "end"), *parts
        )
    )


def record(value_type: str, intent: str, key: int = 1, **value: Any) -> dict[str, Any]:
    """Return a record of the process instance 1."""
    value = {"processInstanceKey": 1, **value}
    return {"valueType": value_type, "intent": intent, "key": key, "timestamp": 5, "value": value}


def began(key: int, **more: Any) -> dict[str, Any]:
    """Return the record by which a process instance begins."""
    fields = {"bpmnProcessId": "p", "processDefinitionKey": 7, "version": 1, "elementId": "p"}
    parents = {"parentProcessInstanceKey": -1, "parentElementInstanceKey": -1}
    value = {"processInstanceKey": key, "bpmnElementType": "PROCESS", **fields, **parents, **more}
    return record("PROCESS_INSTANCE", "ELEMENT_ACTIVATING", key, **value)


def ended(key: int) -> dict[str, Any]:
    """Return the record by which a process instance ends."""
    return {**began(key), "intent": "ELEMENT_COMPLETED"}


async def test_an_instance_from_beginning_to_end() -> None:
    """Elements and flows are counted, tokens stand where they are, times and the last variables are kept."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(work()), customer="Ada")
        past = it.past(key)
        assert (past.process_id, past.version, past.state) == ("p", 1, "ACTIVE")
        assert past.active() == {"work": 1}
        assert past.flows == {"start-work": 1}
        assert past.started > 0 == past.ended
        await it.complete("work", answer=42)
        assert past.state == "COMPLETED"
        assert past.active() == {}
        assert {name: counts.completed for name, counts in past.elements.items()} == {
            "start": 1,
            "work": 1,
            "end": 1,
        }
        assert past.flows == {"start-work": 1, "work-end": 1}
        assert past.ended >= past.started
        assert past.variables == {"customer": ('"Ada"', False), "answer": ("42", False)}


async def test_a_cancelled_instance() -> None:
    """What was cancelled is terminated, and its variables are those that it had."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(work()), customer="Ada")
        await it.do(lambda engine: engine.cancel(key))
        past = it.past(key)
        assert past.state == "TERMINATED"
        assert past.elements["work"].terminated == 1
        assert past.variables == {"customer": ('"Ada"', False)}


async def test_incidents_are_kept_with_their_messages() -> None:
    """An incident is open until it is resolved, and is known afterwards, too."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(work()))
        await it.fail("work", "The host is not allowed.")
        past = it.past(key)
        (incident,) = past.open_incidents
        assert (incident.type, incident.message, incident.element) == (
            "JOB_NO_RETRIES",
            "The host is not allowed.",
            "work",
        )
        await it.view.retry(incident.key)
        assert past.open_incidents == []
        assert [each.resolved >= each.created for each in past.incidents.values()] == [True]


async def test_rounds_are_counted_and_their_body_is_not() -> None:
    """A multi-instance activity has as many tokens as rounds; with no round at all it is completed once."""
    rounds = (
        "<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements><zeebe:loopCharacteristics "
        "inputCollection="
        '"= items" inputElement="item"/></bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>'
    )
    diagram = bpmn.definitions(
        bpmn.process("p", bpmn.START, bpmn.job("work", rounds), bpmn.END, bpmn.chain("start", "work", "end"))
    )
    async with sandbox() as it:
        process = await it.deploy(diagram)
        busy, idle = await it.start(process, items=[1, 2, 3]), await it.start(process, items=[])
        assert it.past(busy).active() == {"work": 3}
        await it.complete("work")
        assert it.past(busy).active() == {"work": 2}
        assert it.view.instance(idle)["elements"]["work"]["completed"] == 1
        assert it.view.instance(busy)["elements"]["work"]["completed"] == 1


async def test_called_processes_know_who_called_them() -> None:
    """A called process instance is one of its own, and names the instance that has called it."""
    called = '<zeebe:calledElement processId="p" propagateAllChildVariables="true"/>'
    caller = bpmn.definitions(
        bpmn.process(
            "caller",
            bpmn.START,
            bpmn.element("callActivity", "call", extensions=called),
            bpmn.END,
            bpmn.chain("start", "call", "end"),
        )
    )
    async with sandbox() as it:
        key = await it.start(await it.deploy(caller, work()), order=1)
        (child,) = [past for past in it.history.instances.values() if past.parent]
        assert child.parent == key
        assert child.caller
        await it.complete("work", answer=2)
        assert child.variables == {"order": ("1", False), "answer": ("2", False)}
        assert it.past(key).state == "COMPLETED"


# How much is kept


def test_the_oldest_ended_instances_go_first() -> None:
    """Beyond the limit running instances stay, and of the ended ones those that have ended last."""
    history = History(most=3)
    for key in (1, 2, 3):
        history(began(key))
    history(ended(3))
    history(ended(2))
    history(began(4))
    assert [*history.instances] == [1, 2, 4]
    history(began(5))
    assert [*history.instances] == [1, 4, 5]


def test_instances_at_an_incident_stay_the_longest() -> None:
    """Where all are running, the oldest without an incident goes."""
    history = History(most=2)
    incident = {"errorType": "JOB_NO_RETRIES", "errorMessage": "m", "elementId": "a", "elementInstanceKey": 9}
    history(began(1))
    history(record("INCIDENT", "CREATED", 8, jobKey=-1, **incident))
    history(began(2))
    history(began(3))
    assert [*history.instances] == [1, 3]


def test_long_values_and_many_of_them_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value, the values of an instance, and those of all ended instances have a limit each."""
    assert kept("x" * (LONGEST_VALUE + 1), 10**9) == ("x" * LONGEST_VALUE, True)
    assert kept('"abc"', 3) == ('"ab', True)
    assert kept('"ab...', 100, from_record=True) == ('"ab...', True)
    assert kept('"ab..."', 100, from_record=True) == ('"ab..."', False)
    monkeypatch.setattr(module, "LARGEST_HISTORY", 100)
    history = History()
    for key in (1, 2, 3):
        history(began(key))
        history(
            record("VARIABLE", "CREATED", 9, processInstanceKey=key, scopeKey=key, name="v", value="1" * 60)
        )
    assert [*history.instances] == [1, 2, 3]  # nothing that runs goes for that
    history(ended(1))
    assert [*history.instances] == [2, 3]


def test_local_variables_are_not_those_of_the_process() -> None:
    """Only variables of the process itself are kept."""
    history = History()
    history(began(1))
    history(record("VARIABLE", "CREATED", 9, scopeKey=2, name="local", value="1"))
    history(record("VARIABLE", "CREATED", 9, scopeKey=1, name="own", value="2"))
    assert [past.variables for past in history.instances.values()] == [{"own": ("2", False)}]


def test_a_broken_record_does_not_reach_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    """What the history cannot take in is logged, and raises nothing into the engine."""
    history = History()
    history(began(1))
    history(record("INCIDENT", "CREATED"))
    assert "could not take in a record" in caplog.text


# What is kept on the disk


async def test_a_restarted_sandbox_shows_the_same(tmp_path: Path) -> None:
    """After a restart the ended instances are known, and the running ones go on where they were."""
    async with sandbox(tmp_path) as it:
        process = await it.deploy(work())
        first, second = await it.start(process, n=1), await it.start(process, n=2)
        await it.complete("work", answer="x" * 20_000)
        await it.fail("work", "Broken.")
        before = {key: it.view.instance(key) for key in (first, second)}
    async with sandbox(tmp_path) as it:
        assert {key: it.view.instance(key) for key in (first, second)} == before
        (incident,) = it.past(second).open_incidents
        await it.view.retry(incident.key)
        await it.complete("work")
        assert it.past(second).state == "COMPLETED"


async def test_what_the_history_has_missed_is_corrected(tmp_path: Path) -> None:
    """An engine that ran without the history.

    Running instances are shown as they are, ended ones as ended.
    """
    async with sandbox(tmp_path) as it:
        process = await it.deploy(work())
        ends, stands = await it.start(process), await it.start(process)
    async with sandbox(tmp_path, history=False) as it:
        await it.complete("work")
        await it.fail("work", "Missed.")
        unseen = await it.start(process)
    async with sandbox(tmp_path) as it:
        assert it.past(ends).state == "ENDED"
        assert [each.message for each in it.past(stands).open_incidents] == ["Missed."]
        assert it.past(unseen).active() == {"work": 1}
        assert it.past(unseen).started == 0
        await it.view.retry(it.past(stands).open_incidents[0].key)
        await it.complete("work")
        await it.complete("work")
        assert {it.past(key).state for key in (stands, unseen)} == {"COMPLETED"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"no data base at all" * 100), id="no data base"),
        pytest.param(lambda path: spoil(path, "UPDATE past SET document = '{}'"), id="rows that are none"),
        pytest.param(lambda path: spoil(path, "UPDATE past SET document = '[1'"), id="no JSON"),
        pytest.param(lambda path: spoil(path, "PRAGMA user_version = 9"), id="another version"),
    ],
)
async def test_a_damaged_file_is_set_aside(
    tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that cannot be read is moved away with a line in the log.

    And the engine's instances are shown anew.
    """
    async with sandbox(tmp_path) as it:
        key = await it.start(await it.deploy(work()))
    damage(tmp_path / FILE_NAME)
    with caplog.at_level(logging.WARNING):
        async with sandbox(tmp_path) as it:
            assert it.past(key).active() == {"work": 1}
    assert "is damaged" in caplog.text
    assert (tmp_path / f"{FILE_NAME}.damaged-1").exists()
    caplog.clear()
    async with sandbox(tmp_path) as it:
        assert it.past(key).active() == {"work": 1}
    assert caplog.text == ""


def spoil(path: Path, statement: str) -> None:
    """Change the file's data."""
    with sqlite3.connect(path) as db:
        db.execute(statement)


def test_a_file_that_cannot_be_made_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no file to be had the history is in memory alone, and says so."""
    history = History(tmp_path / "missing" / FILE_NAME)
    history(began(1))
    history.flush()
    history.close()
    assert "is not kept" in caplog.text
    assert [*history.instances] == [1]


def test_what_is_removed_goes_from_the_file(tmp_path: Path) -> None:
    """The file holds what the history holds, no more."""
    path = tmp_path / FILE_NAME
    history = History(path, most=2)
    for key in (1, 2, 3):
        history(began(key))
        history(ended(key))
        history.flush()
    history.close()
    with sqlite3.connect(path) as db:
        assert [key for (key,) in db.execute("SELECT key FROM past ORDER BY key")] == [2, 3]


def test_an_instance_is_the_same_from_the_file() -> None:
    """What is written is what is read."""
    history = History()
    history(began(1, parentProcessInstanceKey=5, parentElementInstanceKey=6))
    history(
        {**began(1), "key": 2, "value": {**began(1)["value"], "elementId": "a", "bpmnElementType": "TASK"}}
    )
    history(record("VARIABLE", "CREATED", 9, scopeKey=1, name="ä", value='"€"'))
    (past,) = history.instances.values()
    assert load(dump(past)) == past
    assert isinstance(past, Past)
    assert json.loads(dump(past))["parent"] == 5


async def test_variables_of_the_end_are_whole() -> None:
    """A value that the engine's records cut is known in full once the instance has ended."""
    text = "word " * 3_000
    async with sandbox() as it:
        key = await it.start(await it.deploy(work()), text=text)
        await it.complete("work")
        assert it.past(key).variables["text"] == (read_document(json.dumps({"t": text}))["t"].text, False)
