"""Records: which are written, in which order, what they say, and when listeners see them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from local_engine.records import LONGEST_VALUE, Record
from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    call,
    catch,
    chain,
    definitions,
    element,
    error,
    event_start,
    event_sub_process,
    job,
    message,
    multi_instance,
    on_error,
    on_message,
    process,
    sub_process,
    timer,
)
from tests.local_engine.world import BEGINNING, World

HEAD = message("M", "m", "=key") + error("E", "X")
ONE_JOB = definitions(process("p", START, job("a", headers={"h": "1"}), END, chain("start", "a", "end")))


def told(records: Iterable[Record], *value_types: str) -> list[str]:
    """Return the records of these types (or of all) as `INTENT what`, where elements are named by their ids."""
    found = []
    for record in records:
        value, intent = record["value"], str(record["intent"]).removeprefix("ELEMENT_")
        if not value_types or record["valueType"] in value_types:
            what = value["name"] if record["valueType"] == "VARIABLE" else value["elementId"]
            short = {"JOB": "job ", "INCIDENT": "incident ", "VARIABLE": "variable "}.get(
                record["valueType"], ""
            )
            found.append(f"{short}{intent} {what}")
    return found


def of(w: World, value_type: str, intent: str) -> Record:
    """Return the only record of a type and an intent."""
    (found,) = [r for r in w.records if (r["valueType"], r["intent"]) == (value_type, intent)]
    return found


# Order


def test_the_life_of_an_instance() -> None:
    """From its start to its end each element is activating, activated, completing and completed, in that order."""
    w = World()
    w.deploy(ONE_JOB)
    w.start()
    assert told(w.records) == [
        "ACTIVATING p",
        "ACTIVATED p",
        "ACTIVATING start",
        "ACTIVATED start",
        "COMPLETING start",
        "COMPLETED start",
        "SEQUENCE_FLOW_TAKEN start-a",
        "ACTIVATING a",
        "ACTIVATED a",
        "job CREATED a",
    ]
    w.records.clear()
    w.do("a", x=1)
    assert told(w.records) == [
        "job COMPLETED a",
        "variable CREATED x",
        "COMPLETING a",
        "COMPLETED a",
        "SEQUENCE_FLOW_TAKEN a-end",
        "ACTIVATING end",
        "ACTIVATED end",
        "COMPLETING end",
        "COMPLETED end",
        "COMPLETING p",
        "COMPLETED p",
    ]


def test_mappings_are_between_the_steps() -> None:
    """Input variables come before an element is activated, mapped results before it is completed."""
    w = World()
    own = job("a", inputs={"i": "=1"}, outputs={"o": "=r"})
    w.deploy(definitions(process("p", START, own, chain("start", "a"))))
    key = w.start()
    w.do("a", r=2)
    of_a = told(w.records)[told(w.records).index("ACTIVATING a") : told(w.records).index("COMPLETED a") + 1]
    assert of_a == [
        "ACTIVATING a",
        "variable CREATED i",
        "ACTIVATED a",
        "job CREATED a",
        "job COMPLETED a",
        "variable CREATED r",
        "COMPLETING a",
        "variable CREATED o",
        "COMPLETED a",
    ]
    scopes = {
        r["value"]["name"]: r["value"]["scopeKey"] == key for r in w.records if r["valueType"] == "VARIABLE"
    }
    assert scopes == {"i": False, "r": False, "o": True}


def test_termination_from_the_outside_in() -> None:
    """What is cancelled is terminating from the outside in and terminated from the inside out."""
    w = World()
    own = sub_process("s", element("startEvent", "ss"), job("a"), chain("ss", "a"))
    w.deploy(definitions(process("p", START, own, chain("start", "s"))))
    key = w.start()
    w.records.clear()
    w.cancel(key)
    assert told(w.records) == [
        "TERMINATING p",
        "TERMINATING s",
        "TERMINATING a",
        "job CANCELED a",
        "TERMINATED a",
        "TERMINATED s",
        "TERMINATED p",
    ]


def test_interrupted_before_the_event_goes_on() -> None:
    """An interrupted activity is terminated before its boundary event is activated."""
    w = World()
    event = boundary("b", "a", on_message("M")) + chain("b", "end")
    w.deploy(definitions(HEAD, process("p", START, job("a"), event, END, chain("start", "a"))))
    w.start(key="k")
    w.records.clear()
    w.publish("m", "k", x=1)
    assert told(w.records)[:8] == [
        "TERMINATING a",
        "job CANCELED a",
        "TERMINATED a",
        "ACTIVATING b",
        "variable CREATED x",
        "ACTIVATED b",
        "COMPLETING b",
        "COMPLETED b",
    ]


def test_event_based_gateway_before_its_event() -> None:
    """The gateway is completed and the flow is taken before the event behind it is activated."""
    w = World()
    events = catch("c", on_message("M")) + catch("t", timer("duration", "PT1H"))
    routes = chain("start", "g", "c") + chain("g", "t")
    w.deploy(definitions(HEAD, process("p", START, element("eventBasedGateway", "g"), events, routes)))
    w.start(key="k")
    w.records.clear()
    w.publish("m", "k")
    assert told(w.records)[:7] == [
        "COMPLETING g",
        "COMPLETED g",
        "SEQUENCE_FLOW_TAKEN g-c",
        "ACTIVATING c",
        "ACTIVATED c",
        "COMPLETING c",
        "COMPLETED c",
    ]


def test_incident_at_the_end_of_an_element() -> None:
    """An element whose output mapping fails is completing, and is completed once that is mended."""
    w = World()
    own = job("a", outputs={"o": '=assert(r, r != null, "no r")'})
    w.deploy(definitions(process("p", START, own, chain("start", "a"))))
    w.start()
    w.records.clear()
    job_key = w.do("a").key
    assert told(w.records) == ["job COMPLETED a", "COMPLETING a", "incident CREATED a"]
    incident = of(w, "INCIDENT", "CREATED")
    assert incident["key"] > job_key
    w.set(incident["value"]["elementInstanceKey"], local=True, r=1)
    w.resolve()
    assert told(w.records)[3:7] == [
        "variable CREATED r",
        "incident RESOLVED a",
        "variable CREATED o",
        "COMPLETED a",
    ]


# Content


def test_content_of_element_records() -> None:
    """A record of an element names process, version, instance, element, type and scope."""
    w = World()
    w.deploy(definitions(process("p", START, element("task", "old"), chain("start", "old"))))
    (definition,) = w.deploy(ONE_JOB)
    key = w.start()
    activated = [r["value"] for r in w.records if r["intent"] == "ELEMENT_ACTIVATED"]
    common = {
        "bpmnProcessId": "p",
        "version": 2,
        "processDefinitionKey": definition,
        "processInstanceKey": key,
        "parentProcessInstanceKey": -1,
        "parentElementInstanceKey": -1,
    }
    assert activated == [
        common | {"elementId": "p", "bpmnElementType": "PROCESS", "flowScopeKey": -1},
        common | {"elementId": "start", "bpmnElementType": "START_EVENT", "flowScopeKey": key},
        common | {"elementId": "a", "bpmnElementType": "SERVICE_TASK", "flowScopeKey": key},
    ]
    flow = of(w, "PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN")["value"]
    assert flow == common | {"elementId": "start-a", "bpmnElementType": "SEQUENCE_FLOW", "flowScopeKey": key}


TYPES = {
    "TASK": element("task", "x"),
    "MANUAL_TASK": element("manualTask", "x"),
    "SEND_TASK": job("x", kind="sendTask"),
    "BUSINESS_RULE_TASK": job("x", kind="businessRuleTask"),
    "SCRIPT_TASK": job("x", kind="scriptTask"),
    "USER_TASK": element("userTask", "x"),
    "RECEIVE_TASK": element("receiveTask", "x", messageRef="M"),
    "SUB_PROCESS": sub_process("x", element("startEvent", "s")),
    "EXCLUSIVE_GATEWAY": element("exclusiveGateway", "x"),
    "PARALLEL_GATEWAY": element("parallelGateway", "x"),
    "INCLUSIVE_GATEWAY": element("inclusiveGateway", "x"),
    "INTERMEDIATE_CATCH_EVENT": catch("x", timer("duration", "PT1H")),
    "INTERMEDIATE_THROW_EVENT": element("intermediateThrowEvent", "x"),
    "END_EVENT": element("endEvent", "x"),
    "CALL_ACTIVITY": call("x", "q"),
    "BOUNDARY_EVENT": job("t") + boundary("x", "t", on_message("M")) + END + chain("x", "end"),
    "EVENT_SUB_PROCESS": event_sub_process("x", event_start("e", on_message("M")), job("h"), chain("e", "h")),
}


@pytest.mark.parametrize("type", TYPES)
def test_types_of_elements(type: str) -> None:
    """`bpmnElementType` is the name that Zeebe has for the kind of element."""
    w = World()
    w.deploy(definitions(process("q", START, job("b"), chain("start", "b"))))
    first = {"BOUNDARY_EVENT": "t", "EVENT_SUB_PROCESS": "main"}.get(type, "x")
    main = job("main") if first == "main" else ""
    w.deploy(definitions(HEAD, process("p", START, TYPES[type], main, chain("start", first))))
    w.start(key="k")
    w.publish("m", "k")
    found = [r["value"] for r in w.records if r["valueType"] == "PROCESS_INSTANCE"]
    assert {value["bpmnElementType"] for value in found if value["elementId"] == "x"} == {type}


def test_multi_instance_bodies_and_rounds() -> None:
    """The body has a type of its own, and the rounds have it for their scope."""
    w = World()
    w.deploy(definitions(process("p", START, job("a", multi_instance("=[1, 2]")), chain("start", "a"))))
    key = w.start()
    found = [
        (r["key"], r["value"]["bpmnElementType"], r["value"]["flowScopeKey"])
        for r in w.records
        if r["intent"] == "ELEMENT_ACTIVATED" and r["value"]["elementId"] == "a"
    ]
    (body, *_), *rounds = found
    assert found[0][1:] == ("MULTI_INSTANCE_BODY", key)
    assert [round[1:] for round in rounds] == [("SERVICE_TASK", body)] * 2


def test_called_processes_name_their_caller() -> None:
    """Records of a called process name the instance and the call activity that it was called by."""
    w = World()
    w.deploy(definitions(process("q", element("startEvent", "qs"), job("b"), chain("qs", "b"))))
    w.deploy(definitions(process("p", START, call("c", "q"), chain("start", "c"))))
    key = w.start()
    child = next(r["value"] for r in w.records if r["value"]["elementId"] == "q")
    assert (child["parentProcessInstanceKey"], child["parentElementInstanceKey"]) == (
        key,
        w.find(key, "c").key,
    )
    assert child["processInstanceKey"] != key


def test_content_of_job_records() -> None:
    """A job's records tell its whole life: type, retries, worker, deadline, headers and what went wrong."""
    w = World()
    (definition,) = w.deploy(ONE_JOB)
    key = w.start()
    taken = w.take_one("a")
    w.fail(taken.key, 2, "not yet", back_off=1000)
    w.later(1000)
    taken = w.take_one("a")
    w.later(60_000)
    w.throw(taken.key, "X", "no way")
    jobs = [r for r in w.records if r["valueType"] == "JOB"]
    assert [r["intent"] for r in jobs] == [
        "CREATED",
        "FAILED",
        "RECURRED_AFTER_BACKOFF",
        "TIMED_OUT",
        "ERROR_THROWN",
    ]
    assert {r["key"] for r in jobs} == {taken.key}
    created, failed, _, timed_out, thrown = [r["value"] for r in jobs]
    assert created == {
        "type": "a",
        "retries": 3,
        "worker": "",
        "deadline": created["deadline"],
        "errorMessage": "",
        "errorCode": "",
        "elementId": "a",
        "bpmnProcessId": "p",
        "processDefinitionVersion": 1,
        "elementInstanceKey": taken.instance,
        "processInstanceKey": key,
        "processDefinitionKey": definition,
        "customHeaders": {"h": "1"},
    }
    assert (failed["retries"], failed["errorMessage"], failed["worker"]) == (2, "not yet", "worker")
    assert timed_out["deadline"] == BEGINNING + 61_000
    assert (thrown["errorCode"], thrown["errorMessage"]) == ("X", "no way")


def test_content_of_incident_records() -> None:
    """An incident's records name its type, message, element and job; without a job that is -1."""
    w = World()
    w.deploy(ONE_JOB)
    key = w.start()
    taken = w.take_one("a")
    w.fail(taken.key, 0, "broken")
    value = of(w, "INCIDENT", "CREATED")["value"]
    assert (value["errorType"], value["errorMessage"], value["jobKey"]) == (
        "JOB_NO_RETRIES",
        "broken",
        taken.key,
    )
    assert (value["elementId"], value["elementInstanceKey"]) == ("a", taken.instance)
    assert (value["processInstanceKey"], value["bpmnProcessId"]) == (key, "p")
    assert value["variableScopeKey"] == taken.instance
    w.cancel(key)
    assert of(w, "INCIDENT", "RESOLVED")["value"] == value
    w.records.clear()
    gateway = element("exclusiveGateway", "x") + chain("start", "x")
    condition = '<bpmn:sequenceFlow id="f" sourceRef="x" targetRef="end">'
    condition += "<bpmn:conditionExpression>=false</bpmn:conditionExpression></bpmn:sequenceFlow>"
    w.deploy(definitions(process("p", START, gateway, END, condition)))
    w.start()
    value = of(w, "INCIDENT", "CREATED")["value"]
    assert (value["errorType"], value["jobKey"], value["elementId"]) == ("CONDITION_ERROR", -1, "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", '"a"'), (1, "1"), (None, "null"), ([1], "[1]"), ({"a": "ü"}, '{"a":"ü"}')],
    ids=["string", "number", "null", "list", "context"],
)
def test_content_of_variable_records(value: Any, text: str) -> None:
    """A variable's record has its JSON, its scope, and whether it is new there."""
    w = World()
    w.deploy(ONE_JOB)
    key = w.start(x=0)
    created = of(w, "VARIABLE", "CREATED")["value"]
    assert (created["name"], created["value"], created["scopeKey"]) == ("x", "0", key)
    w.set(key, x=value)
    updated = of(w, "VARIABLE", "UPDATED")["value"]
    assert (updated["name"], updated["value"].replace(": ", ":"), updated["processInstanceKey"]) == (
        "x",
        text,
        key,
    )


def test_long_values_are_cut_in_records() -> None:
    """The record of a large variable shows its beginning; the state has all of it."""
    w = World()
    w.deploy(ONE_JOB)
    key = w.start(x="y" * 100_000)
    shown = of(w, "VARIABLE", "CREATED")["value"]["value"]
    assert len(shown) <= LONGEST_VALUE + 3
    assert shown.startswith('"yyy')
    assert len(w.local(key)["x"]) == 100_000


# Positions, times, listeners


def test_positions_rise_without_a_gap(tmp_path: Path) -> None:
    """Positions count all records, over restarts too, and each has the time of the engine's clock."""
    w = World(tmp_path)
    w.deploy(ONE_JOB)
    w.start(x=1)
    w.later(5000)
    w.restart()
    w.do("a", y=2)
    assert [r["position"] for r in w.records] == [*range(1, len(w.records) + 1)]
    assert {r["timestamp"] for r in w.records} == {BEGINNING, BEGINNING + 5000}
    assert {r["recordType"] for r in w.records} == {"EVENT"}
    assert len({r["key"] for r in w.records if r["valueType"] == "VARIABLE"}) == 2


def test_listeners_are_called_after_the_commit(tmp_path: Path) -> None:
    """A listener never sees what is not on the disk: what it hears of is there after a crash."""
    w = World(tmp_path)
    w.deploy(ONE_JOB)
    heard: list[Record] = []
    w.engine.records.subscribe(heard.append)
    w.engine.creation.create(w.engine.creation.find(0, "p", -1), {})
    w.engine.run()
    assert heard == []
    w.engine.commit()
    assert told(heard)[0] == "ACTIVATING p"
    assert len(heard) == 10
    w.engine.records.unsubscribe(heard.append)
    w.do("a")
    assert len(heard) == 10


def test_uncommitted_records_are_gone_after_a_crash(tmp_path: Path) -> None:
    """What was not committed was never heard of, and its positions are used for what comes then."""
    w = World(tmp_path)
    w.deploy(ONE_JOB)
    key = w.start()
    before = len(w.records)
    w.engine.cancel(key)
    w.restart()  # without a commit
    assert len(w.records) == before
    w.do("a")
    assert w.records[before]["position"] == before + 1
    assert w.ended[key] == {}


def test_several_listeners_hear_the_same() -> None:
    """Each listener gets each record, in the same order."""
    w = World()
    w.deploy(ONE_JOB)
    heard: list[Record] = []
    w.engine.records.subscribe(heard.append)
    w.start()
    w.do("a")
    assert heard == w.records


def test_engine_without_listeners_does_the_same() -> None:
    """Nobody has to listen: without listeners no records are made, and processes run as ever."""
    w = World()
    w.engine.records.unsubscribe(w.records.append)
    w.deploy(ONE_JOB)
    key = w.start()
    w.do("a", x=1)
    assert w.records == []
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_errors_through_scopes_are_recorded() -> None:
    """An error that is caught further out shows as an error of the job.

    And as termination of what was left.
    """
    w = World()
    own = sub_process("s", element("startEvent", "ss"), job("a"), chain("ss", "a"))
    caught = boundary("b", "s", on_error("E")) + chain("b", "end")
    w.deploy(definitions(HEAD, process("p", START, own, caught, END, chain("start", "s"))))
    w.start()
    w.records.clear()
    w.throw(w.take_one("a").key, "X")
    assert told(w.records)[:6] == [
        "job ERROR_THROWN a",
        "TERMINATING s",
        "TERMINATING a",
        "TERMINATED a",
        "TERMINATED s",
        "ACTIVATING b",
    ]
