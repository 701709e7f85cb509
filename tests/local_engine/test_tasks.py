"""Tasks and none events: what becomes a job, what passes at once, and what a job is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_engine.errors import Rejection
from tests.local_engine.bpmn import (
    END,
    START,
    Pairs,
    chain,
    definitions,
    element,
    job,
    mappings,
    message,
    process,
    receive,
    script,
)
from tests.local_engine.world import World

USER_TASK = "io.camunda.zeebe:userTask"


def through(*elements: str, order: str) -> World:
    """Return a world with a process whose elements follow each other in this order of ids."""
    w = World()
    ways = chain("start", *order.split(), "end")
    w.deploy(definitions(message("M", "m", "=key"), process("p", START, *elements, END, ways)))
    return w


# What passes at once


@pytest.mark.parametrize("kind", ["task", "manualTask", "intermediateThrowEvent"])
def test_elements_that_pass(kind: str) -> None:
    """Undefined and manual tasks and none throw events wait for nothing; their mappings are applied."""
    own = element(kind, "x", extensions=mappings((), {"a": "=n + 1", "b.c": "=a"}))
    w = through(own, order="x")
    key = w.start(n=1)
    assert w.ended[key] == {"n": 1, "a": 2, "b": {"c": 2}}
    assert w.path(key) == ["start", "x", "end", "p"]
    assert w.left() == {}


@pytest.mark.parametrize("kind", ["task", "manualTask"])
def test_inputs_of_a_task_that_passes(kind: str) -> None:
    """Its input mappings are local, and its output mappings see them."""
    w = through(
        element(kind, "x", extensions=mappings({"local": "=n * 2"}, {"out": "=local + 1"})), order="x"
    )
    key = w.start(n=1)
    assert w.ended[key] == {"n": 1, "out": 3}
    assert w.left() == {}


def test_output_mappings_of_a_none_start_event() -> None:
    """Output mappings of the start event are applied when it is completed."""
    start = element("startEvent", "s", extensions=mappings((), {"doubled": "=n * 2"}))
    w = World()
    w.deploy(definitions(process("p", start, job("a"), chain("s", "a"))))
    key = w.start(n=2)
    assert w.do("a").variables == {"n": 2, "doubled": 4}
    assert key in w.ended
    assert w.left() == {}


def test_several_end_events() -> None:
    """Each end event ends its token; the process ends with the last of them."""
    ends = element("endEvent", "e1") + element("endEvent", "e2", extensions=mappings((), {"last": "=x"}))
    w = World()
    routes = chain("start", "f", "a", "e1") + chain("f", "b", "e2")
    w.deploy(
        definitions(process("p", START, element("parallelGateway", "f"), job("a"), job("b"), ends, routes))
    )
    key = w.start()
    w.do("a")
    assert key not in w.ended
    w.do("b", x=1)
    assert w.ended[key] == {"x": 1, "last": 1}
    assert w.left() == {}


def test_process_of_a_start_event_alone() -> None:
    """A process that holds nothing but its start event ends at once."""
    w = World()
    w.deploy(definitions(process("p", START)))
    key = w.start(x=1)
    assert w.ended[key] == {"x": 1}
    assert w.left() == {}


def test_long_chain_of_tasks() -> None:
    """A thousand tasks in a row are passed in one command."""
    names = [f"t{n}" for n in range(1000)]
    w = through(*(element("task", name) for name in names), order=" ".join(names))
    key = w.start()
    assert w.path(key) == ["start", *names, "end", "p"]
    assert w.left() == {}


# Scripts


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        pytest.param("=n + 1", 2, id="number"),
        pytest.param('="a" + string(n)', "a1", id="string"),
        pytest.param("=[n, {b: null}]", [1, {"b": None}], id="list"),
        pytest.param("=missing", None, id="null"),
        pytest.param('=duration("PT90M")', "PT1H30M", id="duration"),
        pytest.param('=date("2027-01-15")', "2027-01-15", id="date"),
    ],
)
def test_script_results(expression: str, result: Any) -> None:
    """A script's result is a variable of plain JSON."""
    w = through(script("x", expression, "r"), order="x")
    key = w.start(n=1)
    assert w.ended[key] == {"n": 1, "r": result}
    assert w.left() == {}


def test_script_with_mappings() -> None:
    """With output mappings a script's result is local, and they decide what is seen of it."""
    w = through(
        script("x", "=a + b", "r", inputs={"a": "=n", "b": "=a * 10"}, outputs={"out": "=r"}), order="x"
    )
    key = w.start(n=1)
    assert w.ended[key] == {"n": 1, "out": 11}
    assert w.left() == {}


def test_script_result_that_an_input_swallows() -> None:
    """A result of the name of an input stays at the task, as a job's does."""
    w = through(script("x", "=r + 1", "r", inputs={"r": "=0"}), order="x")
    key = w.start()
    assert w.ended[key] == {}
    assert w.left() == {}


def test_script_that_fails() -> None:
    """A script that fails is an incident that names it, until its variables are mended."""
    w = through(script("x", '=assert(n, n > 1, "n is too small")', "r"), order="x")
    key = w.start(n=1)
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    assert "n is too small" in w.incident().message
    w.set(key, n=2)
    w.resolve()
    assert w.ended[key] == {"n": 2, "r": 2}
    assert w.left() == {}


# Jobs


@pytest.mark.parametrize("kind", ["serviceTask", "sendTask", "businessRuleTask", "scriptTask"])
def test_tasks_that_are_jobs(kind: str) -> None:
    """These tasks wait for their job, with their type, retries, headers and mappings."""
    own = job(
        "x",
        type="kind-of-work",
        retries="7",
        headers={"a": "1", "b": "=not evaluated", "empty": ""},
        inputs={"local": "=n + 1"},
        outputs={"out": "=r"},
        kind=kind,
    )
    w = through(own, order="x")
    key = w.start(n=1)
    taken = w.do("kind-of-work", r=5, hidden=6)
    assert (taken.retries, taken.headers) == (7, {"a": "1", "b": "=not evaluated", "empty": ""})
    assert taken.variables == {"n": 1, "local": 2}
    assert w.ended[key] == {"n": 1, "out": 5}
    assert w.left() == {}


def test_type_and_retries_by_expression() -> None:
    """Type and retries of a job may be FEEL, and see the input mappings."""
    w = through(job("x", type='="type-" + name', retries="=count * 2", inputs={"name": '="a"'}), order="x")
    key = w.start(count=3)
    assert w.do("type-a").retries == 6
    assert key in w.ended
    assert w.left() == {}


@pytest.mark.parametrize(
    ("type", "retries", "variables", "mended"),
    [
        pytest.param("=kind", "3", {"kind": None}, {"kind": "x"}, id="type null"),
        pytest.param("=kind", "3", {"kind": 5}, {"kind": "x"}, id="type a number"),
        pytest.param("x", "=count", {"count": None}, {"count": 1}, id="retries null"),
        pytest.param("x", "=count", {"count": "many"}, {"count": 1}, id="retries a string"),
        pytest.param("x", "=count", {"count": 1.5}, {"count": 1}, id="retries not whole"),
        pytest.param("x", "=count", {"count": True}, {"count": 1}, id="retries a boolean"),
    ],
)
def test_wrong_type_or_retries(
    type: str, retries: str, variables: dict[str, Any], mended: dict[str, Any]
) -> None:
    """A type that is no string, or retries that are no whole number, are an incident before the job is created."""
    w = through(job("t", type=type, retries=retries, inputs={"n": "=n + 1"}), order="t")
    key = w.start(n=1, **variables)
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", w.find(key, "t").key)
    assert w.left() == {"instances": 2, "incidents": 1}
    w.resolve()
    w.set(key, **mended)
    w.resolve()
    assert w.do("x").variables["n"] == 2
    assert w.ended[key] == {"n": 1} | mended
    assert w.left() == {}


def test_receive_task_waits_for_no_job() -> None:
    """A receive task waits for its message, and its output mappings see what that carries."""
    w = through(receive("r", "M", outputs={"out": "=x + 1"}), order="r")
    key = w.start(key="k")
    assert w.left() == {"instances": 2, "subscriptions": 1}
    w.publish("m", "k", x=1)
    assert w.ended[key] == {"key": "k", "out": 2}
    assert w.left() == {}


# User tasks


def user_task(extensions: str = "", inputs: Pairs = (), outputs: Pairs = ()) -> World:
    """Return a world with a process that has a user task `u`."""
    return through(element("userTask", "u", extensions=extensions + mappings(inputs, outputs)), order="u")


def test_user_task_is_a_job() -> None:
    """A user task without a form or people is a job with one retry and no headers."""
    w = user_task(inputs={"local": "=n"}, outputs={"decision": "=approved"})
    key = w.start(n=1)
    taken = w.do(USER_TASK, approved=True, comment="hidden")
    assert (taken.headers, taken.retries, taken.variables) == ({}, 1, {"n": 1, "local": 1})
    assert w.ended[key] == {"n": 1, "decision": True}
    assert w.left() == {}


def test_headers_of_a_user_task() -> None:
    """Form, people and dates are headers of the job, beside those of the diagram; lists are JSON."""
    w = user_task(
        '<zeebe:formDefinition formKey="camunda-forms:bpmn:f1"/>'
        '<zeebe:assignmentDefinition assignee="anna" candidateGroups="sales, operations" '
        'candidateUsers="bo"/>'
        '<zeebe:taskSchedule dueDate="2027-02-28T13:13:10+02:00" followUpDate="2027-02-01T00:00:00Z"/>'
        '<zeebe:taskHeaders><zeebe:header key="own" value="1"/></zeebe:taskHeaders>'
    )
    w.start()
    assert w.do(USER_TASK).headers == {
        "own": "1",
        "io.camunda.zeebe:formKey": "camunda-forms:bpmn:f1",
        "io.camunda.zeebe:assignee": "anna",
        "io.camunda.zeebe:candidateGroups": '["sales","operations"]',
        "io.camunda.zeebe:candidateUsers": '["bo"]',
        "io.camunda.zeebe:dueDate": "2027-02-28T13:13:10+02:00",
        "io.camunda.zeebe:followUpDate": "2027-02-01T00:00:00Z",
    }
    assert w.left() == {}


def test_headers_of_a_user_task_by_expression() -> None:
    """They may be FEEL, which sees the input mappings; what is null is left out."""
    w = user_task(
        '<zeebe:assignmentDefinition assignee="=book.author" candidateGroups="=roles" '
        'candidateUsers="=nobody"/>'
        '<zeebe:taskSchedule dueDate="=now() + duration(&quot;PT1H&quot;)"/>',
        inputs={"roles": '=append(more, "c")'},
    )
    w.start(book={"author": "anna"}, more=["a", "b"])
    headers = w.do(USER_TASK).headers
    assert headers.pop("io.camunda.zeebe:dueDate").startswith("2027-01-15T")
    assert headers.pop("io.camunda.zeebe:assignee") == "anna"
    assert json.loads(headers.pop("io.camunda.zeebe:candidateGroups")) == ["a", "b", "c"]
    assert headers == {}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("attribute", "wrong", "right"),
    [
        pytest.param("assignee", 5, "anna", id="assignee"),
        pytest.param("candidateGroups", "sales", ["sales"], id="groups"),
        pytest.param("candidateUsers", ["anna", 5], ["anna"], id="users"),
        pytest.param("dueDate", "tomorrow", "2027-02-01T00:00:00Z", id="due date"),
        pytest.param("followUpDate", 5, "2027-02-01T00:00:00Z", id="follow-up date"),
    ],
)
def test_wrong_values_of_a_user_task(attribute: str, wrong: Any, right: Any) -> None:
    """A value of another type than its place wants is an incident before the job is created."""
    tag = "taskSchedule" if attribute.endswith("Date") else "assignmentDefinition"
    w = user_task(f'<zeebe:{tag} {attribute}="=given"/>')
    key = w.start(given=wrong)
    assert (w.incident().type, w.take(USER_TASK)) == ("EXTRACT_VALUE_ERROR", [])
    assert "'given'" in w.incident().message
    w.set(key, given=right)
    w.resolve()
    w.do(USER_TASK)
    assert w.ended[key] == {"given": right}
    assert w.left() == {}


def test_native_user_tasks_are_refused() -> None:
    """A user task that only a REST API could complete is refused at deployment."""
    with pytest.raises(Rejection) as caught:
        user_task("<zeebe:userTask/>")
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "'u'" in caught.value.message


def test_user_task_over_a_restart(tmp_path: Path) -> None:
    """Headers that were worked out are kept with the job, whatever happens to the variables."""
    w = World(tmp_path)
    own = element("userTask", "u", extensions='<zeebe:assignmentDefinition assignee="=who"/>')
    w.deploy(definitions(process("p", START, own, chain("start", "u"))))
    key = w.start(who="anna")
    w.set(key, who="bo")
    w.restart()
    assert w.do(USER_TASK).headers == {"io.camunda.zeebe:assignee": "anna"}
    assert w.left() == {}
