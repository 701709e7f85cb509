"""Multi-instance activities: rounds, what they see, what they leave behind, and what ends them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.local_engine.bpmn import (
    END,
    START,
    boundary,
    call,
    chain,
    definitions,
    element,
    error,
    event_start,
    event_sub_process,
    job,
    mappings,
    message,
    multi_instance,
    on_error,
    on_message,
    process,
    receive,
    script,
    sub_process,
    timer,
)
from tests.local_engine.world import Activated, World

LOOP = multi_instance("=items", "item", output=("results", "=result"))
ONE_BY_ONE = multi_instance("=items", "item", output=("results", "=result"), sequential=True)
HEAD = message("M", "m", "=key") + message("I", "i", "=item") + error("E", "X")
INNER = element("startEvent", "ss") + job("a") + element("endEvent", "se") + chain("ss", "a", "se")


def around(activity: str, *others: str, called: str = "") -> bytes:
    """Return a process with an activity `a`, `s` or `c` in its middle, and with other elements."""
    name = activity.split('id="', 1)[1].split('"', 1)[0]
    return definitions(HEAD, called, process("p", START, activity, END, chain("start", name, "end"), *others))


def called_process(activity: str, name: str) -> str:
    """Return a process `q` with an activity in its middle."""
    return process(
        "q", element("startEvent", "qs"), activity, element("endEvent", "qe"), chain("qs", name, "qe")
    )


def rounds(w: World, type: str = "a") -> list[Activated]:
    """Return the jobs of the rounds in the order of their items."""
    return sorted(w.take(type), key=lambda taken: int(taken.variables["loopCounter"]))


# Rounds


def test_parallel_begins_all_rounds_at_once() -> None:
    """Each item has a round of its own at the same time, with the item and its number as local variables."""
    w = World()
    w.deploy(around(job("a", LOOP)))
    key = w.start(items=["x", "y", "z"])
    taken = rounds(w)
    for number, (item, each) in enumerate(zip("xyz", taken, strict=True), 1):
        assert w.local(each.instance) == {"item": item, "loopCounter": number, "result": None}
    for each in reversed(taken):
        w.complete(each.key, result=each.variables["item"] * 2)
    assert w.ended[key] == {"items": ["x", "y", "z"], "results": ["xx", "yy", "zz"]}
    assert w.left() == {}


def test_sequential_begins_a_round_when_the_one_before_has_ended() -> None:
    """There is one round at a time, in the order of the items."""
    w = World()
    w.deploy(around(job("a", ONE_BY_ONE)))
    key = w.start(items=[1, 2, 3])
    for number in (1, 2, 3):
        assert w.active(key) == ["a", "a"]
        taken = w.do("a", result=number * 10)
        assert (taken.variables["item"], taken.variables["loopCounter"]) == (number, number)
    assert w.ended[key] == {"items": [1, 2, 3], "results": [10, 20, 30]}
    assert w.left() == {}


@pytest.mark.parametrize("loop", [LOOP, ONE_BY_ONE], ids=["parallel", "sequential"])
def test_empty_collection_is_skipped(loop: str) -> None:
    """Without items the activity is completed at once, and the output collection is an empty list."""
    w = World()
    w.deploy(around(job("a", loop)))
    key = w.start(items=[])
    assert w.ended[key] == {"items": [], "results": []}
    assert w.path(key) == ["start", "a", "end", "p"]
    assert w.left() == {}


@pytest.mark.parametrize(
    "value",
    [None, "[1]", 1, True, {"a": 1}],
    ids=["null", "string", "number", "boolean", "context"],
)
def test_collection_that_is_no_list(value: Any) -> None:
    """What is not a list is an incident at the body that names the expression; mended, all rounds begin."""
    w = World()
    w.deploy(around(job("a", LOOP)))
    key = w.start(items=value)
    assert (w.incident().type, w.active(key)) == ("EXTRACT_VALUE_ERROR", ["a"])
    assert "'items'" in w.incident().message
    w.resolve()
    assert w.incident().type == "EXTRACT_VALUE_ERROR"
    w.set(key, items=[1])
    w.resolve()
    w.do("a", result=2)
    assert w.ended[key] == {"items": [1], "results": [2]}
    assert w.left() == {}


def test_items_are_those_of_the_beginning() -> None:
    """The collection is evaluated once: what happens to the variable later does not matter."""
    w = World()
    w.deploy(around(job("a", ONE_BY_ONE)))
    key = w.start(items=[1, 2])
    w.set(key, items=[])
    w.do("a", result="first")
    assert w.do("a", result="second").variables["item"] == 2
    assert w.ended[key] == {"items": [], "results": ["first", "second"]}
    assert w.left() == {}


def test_any_json_is_an_item() -> None:
    """Items are handed on as they are: null, lists and contexts too."""
    items = [None, [1, [2]], {"a": {"b": None}}, "", 0, False]
    w = World()
    w.deploy(around(script("s", "=item", "result", LOOP)))
    key = w.start(items=items)
    assert w.ended[key] == {"items": items, "results": items}
    assert w.left() == {}


def test_cardinality_by_a_range() -> None:
    """A FEEL range takes the place of a cardinality; without an input element there is the counter."""
    w = World()
    loop = multi_instance("=for i in 1..n return i", output=("results", "=loopCounter * 10"))
    w.deploy(around(element("task", "a", loop)))
    key = w.start(n=4)
    assert w.ended[key] == {"n": 4, "results": [10, 20, 30, 40]}
    assert w.left() == {}


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
def test_pass_through_tasks_have_rounds_too(sequential: bool) -> None:
    """A thousand rounds of a task that waits for nothing run to their end in one command."""
    w = World()
    loop = multi_instance(
        "=for i in 1..1000 return i", "item", output=("o", "=item * 2"), sequential=sequential
    )
    w.deploy(around(element("manualTask", "a", loop)))
    key = w.start()
    assert w.ended[key] == {"o": [2 * n for n in range(1, 1001)]}
    assert w.left() == {}


# What a round leaves behind


def test_output_variable_is_local_to_its_round() -> None:
    """The variable that is collected does not leak out of its round.

    And an outer one of its name is no result.
    """
    w = World()
    w.deploy(around(job("a", LOOP)))
    key = w.start(items=[1, 2], result="outer")
    first, second = rounds(w)
    assert first.variables["result"] is None
    w.complete(first.key, result="inner")
    w.complete(second.key)
    assert w.ended[key] == {"items": [1, 2], "result": "outer", "results": ["inner", None]}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("=answer.text", ["t1", "t2"], id="a nested property"),
        pytest.param("= answer . deep . er ", [1, 2], id="a deeper one, with spaces"),
        pytest.param("=answer.absent", [None, None], id="a property that is not there"),
    ],
)
def test_nested_output_element(expression: str, expected: list[Any]) -> None:
    """A path in the output element makes its root a local variable of the round."""
    w = World()
    w.deploy(around(job("a", multi_instance("=items", "item", output=("results", expression)))))
    key = w.start(items=[1, 2], answer={"text": "outer"})
    for each in rounds(w):
        number = each.variables["item"]
        assert each.variables["answer"] is None
        w.complete(each.key, answer={"text": f"t{number}", "deep": {"er": number}})
    assert w.ended[key] == {"items": [1, 2], "answer": {"text": "outer"}, "results": expected}
    assert w.left() == {}


def test_output_element_that_is_no_path() -> None:
    """Another expression makes no local variable: results go to the process, and are seen by all rounds."""
    w = World()
    w.deploy(
        around(job("a", multi_instance("=items", "item", output=("results", "=got + 1"), sequential=True)))
    )
    key = w.start(items=[1, 2])
    assert "got" not in w.do("a", got=10).variables
    assert w.do("a", got=20).variables["got"] == 10
    assert w.ended[key] == {"items": [1, 2], "results": [11, 21], "got": 20}
    assert w.left() == {}


def test_results_that_are_not_collected_leave_the_round() -> None:
    """What a worker adds beside the output element goes to the process, as without multi-instance."""
    w = World()
    w.deploy(around(job("a", LOOP)))
    key = w.start(items=[1])
    w.do("a", result=1, other=2, item="swallowed", loopCounter="swallowed")
    assert w.ended[key] == {"items": [1], "results": [1], "other": 2}
    assert w.left() == {}


def test_input_element_as_output_element() -> None:
    """The item itself can be collected, and a round can change it."""
    w = World()
    w.deploy(around(job("a", multi_instance("=items", "item", output=("results", "=item")))))
    key = w.start(items=[1, 2])
    first, second = rounds(w)
    assert (first.variables["item"], second.variables["item"]) == (1, 2)
    w.complete(first.key, item="changed")
    w.complete(second.key)
    assert w.ended[key] == {"items": [1, 2], "results": ["changed", 2]}
    assert w.left() == {}


def test_output_collection_of_the_name_of_the_input_collection() -> None:
    """A collection may be replaced by its results: the items are those of before until the end."""
    w = World()
    w.deploy(
        around(job("a", multi_instance("=items", "item", output=("items", "=loopCounter"), sequential=True)))
    )
    key = w.start(items=["x", "y"])
    assert w.do("a").variables["item"] == "x"
    assert w.do("a").variables["item"] == "y"
    assert w.ended[key] == {"items": [1, 2]}
    assert w.left() == {}


def test_output_collection_is_local_to_the_body_until_the_end() -> None:
    """Outside of the activity the collection is seen when all rounds have ended, and not before."""
    w = World()
    w.deploy(around(job("a", ONE_BY_ONE)))
    key = w.start(items=[1, 2], results="before")
    assert w.take_one("a").variables["results"] == [None, None]
    body = w.find(key, "p").kids
    (body_key,) = body
    assert w.local(body_key) == {"results": [None, None]}
    assert w.local(key)["results"] == "before"
    w.cancel(key)
    assert w.left() == {}


def test_output_element_that_fails_is_an_incident_of_the_round() -> None:
    """A failing output element stops its round only; resolved, its place in the list is filled."""
    w = World()
    w.deploy(
        around(job("a", multi_instance("=items", "item", output=("results", '=assert(r, r != "bad", "oh")'))))
    )
    key = w.start(items=[1, 2])
    first, second = rounds(w)
    w.complete(first.key, r="bad")
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", first.instance)
    assert "oh" in w.incident().message
    w.complete(second.key, r="good")
    w.set(key, r="mended")
    w.resolve()
    assert w.ended[key] == {"items": [1, 2], "results": ["mended", "good"], "r": "mended"}
    assert w.left() == {}


# Mappings


def test_input_mappings_are_those_of_each_round() -> None:
    """Input mappings are applied to each round, and see its item, its number and its place for the result."""
    w = World()
    inputs = {"double": "=item * 2", "label": '="no " + string(loopCounter)', "result": "=double + 1"}
    w.deploy(around(job("a", LOOP, inputs=inputs)))
    key = w.start(items=[5, 7])
    first, second = rounds(w)
    assert w.local(first.instance) == {
        "item": 5,
        "loopCounter": 1,
        "result": 11,
        "double": 10,
        "label": "no 1",
    }
    assert second.variables["label"] == "no 2"
    w.complete(first.key)
    w.complete(second.key)
    assert w.ended[key] == {"items": [5, 7], "results": [11, 15]}
    assert w.left() == {}


def test_output_mappings_fill_the_output_element() -> None:
    """An output mapping may set the collected variable: it begins at the round, not at the body."""
    w = World()
    w.deploy(around(job("a", LOOP, outputs={"result": "=raw.value", "last": "=raw.value"})))
    key = w.start(items=[1, 2])
    for each in rounds(w):
        w.complete(each.key, raw={"value": each.variables["item"] * 3}, hidden=1)
    assert w.ended[key] == {"items": [1, 2], "results": [3, 6], "last": 6}
    assert w.left() == {}


def test_failing_input_mapping_of_one_round() -> None:
    """The mapping of one round fails and is mended at that round; the others are not held up."""
    w = World()
    w.deploy(around(job("a", LOOP, inputs={"x": '=assert(item, item != null, "no item")'})))
    key = w.start(items=[1, None])
    w.do("a", result="one")
    assert w.incident().type == "IO_MAPPING_ERROR"
    w.set(w.incident().instance, local=True, item=2)
    w.resolve()
    assert w.do("a", result="two").variables["x"] == 2
    assert w.ended[key] == {"items": [1, None], "results": ["one", "two"]}
    assert w.left() == {}


# Completion condition


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
def test_completion_condition_ends_the_other_rounds(sequential: bool) -> None:
    """Once the condition is true, rounds that are left are terminated or never begun."""
    w = World()
    loop = multi_instance(
        "=items", "item", output=("results", "=result"), sequential=sequential, until="=result = 2"
    )
    w.deploy(around(job("a", loop)))
    key = w.start(items=[1, 2, 3])
    taken = rounds(w)
    w.complete(taken[0].key, result=1)
    if sequential:
        taken += rounds(w)
    w.complete(taken[1].key, result=2)
    assert w.ended[key] == {"items": [1, 2, 3], "results": [1, 2, None]}
    assert w.path(key, "ELEMENT_TERMINATED") == ([] if sequential else ["a"])
    assert w.left() == {}


@pytest.mark.parametrize(
    ("sequential", "condition", "completed"),
    [
        pytest.param(
            False, "numberOfInstances = 4 and numberOfCompletedInstances = 2", 2, id="instances, parallel"
        ),
        pytest.param(
            False, "numberOfCompletedInstances / numberOfInstances >= 0.5", 2, id="half of them, parallel"
        ),
        pytest.param(False, "numberOfActiveInstances = 1", 3, id="active, parallel"),
        pytest.param(False, "numberOfTerminatedInstances > 0", 4, id="terminated, parallel"),
        pytest.param(True, "numberOfInstances = 3", 3, id="instances, sequential: those that were begun"),
        pytest.param(True, "numberOfCompletedInstances = 2", 2, id="completed, sequential"),
        pytest.param(True, "numberOfTerminatedInstances = 1", 4, id="terminated, sequential"),
        pytest.param(False, "loopCounter = 2", 2, id="the counter of the round"),
        pytest.param(False, "item = 30", 3, id="the item of the round"),
        pytest.param(False, "mapped = 3", 3, id="an input mapping of the round"),
        pytest.param(False, "count(results[item != null]) = 1", 1, id="the output collection so far"),
        pytest.param(False, "result > 1", 2, id="the result of the round"),
        pytest.param(False, "limit <= loopCounter", 3, id="a variable of the process"),
    ],
)
def test_what_a_completion_condition_sees(sequential: bool, condition: str, completed: int) -> None:
    """The condition is evaluated where the round stands, with four numbers of the body that cover all else."""
    w = World()
    loop = multi_instance(
        "=[10, 20, 30, 40]",
        "item",
        output=("results", "=result"),
        sequential=sequential,
        until=f"={condition}",
    )
    w.deploy(around(job("a", loop, inputs={"mapped": "=loopCounter"})))
    key = w.start(limit=3, numberOfTerminatedInstances=99)
    number = 0
    while key not in w.ended:
        for each in rounds(w):
            if key not in w.ended:
                number += 1
                w.complete(each.key, result=number)
    assert number == completed
    assert w.ended[key] == {
        "limit": 3,
        "numberOfTerminatedInstances": 99,
        "results": [*range(1, completed + 1)] + [None] * (4 - completed),
    }
    assert w.left() == {}


@pytest.mark.parametrize("value", [None, "true", 1], ids=["null", "string", "number"])
def test_completion_condition_that_is_no_boolean(value: Any) -> None:
    """A condition that is neither true nor false is an incident of the round, which is tried again."""
    w = World()
    w.deploy(around(job("a", multi_instance("=[1, 2]", "item", output=("o", "=r"), until="=enough"))))
    key = w.start(enough=value)
    first, second = rounds(w)
    w.complete(first.key, r=1)
    assert (w.incident().type, w.incident().instance) == ("EXTRACT_VALUE_ERROR", first.instance)
    assert "'enough'" in w.incident().message
    w.set(key, enough=False)
    w.resolve()
    w.complete(second.key, r=2)
    assert w.ended[key] == {"enough": False, "o": [1, 2]}
    assert w.left() == {}


def test_body_ends_while_another_round_has_an_incident() -> None:
    """A condition that is true ends rounds that stand at an incident, and the incident with them."""
    w = World()
    w.deploy(around(job("a", multi_instance("=[1, 2]", "item", until="=enough = true"))))
    key = w.start(enough=True)
    first, second = rounds(w)
    w.fail(first.key, 0)
    assert w.incident().type == "JOB_NO_RETRIES"
    w.complete(second.key)
    assert w.ended[key] == {"enough": True}
    assert w.left() == {}


# Other activities


def test_sub_processes_as_rounds() -> None:
    """Each round is a scope of its own.

    What is written there under a local name is not seen by the others.
    """
    w = World()
    w.deploy(around(sub_process("s", LOOP, INNER, extensions=mappings({"own": "=item"}))))
    key = w.start(items=[1, 2])
    first, second = sorted(w.take("a"), key=lambda each: int(each.variables["item"]))
    w.complete(first.key, own="changed", result="r1")
    assert second.variables["own"] == 2
    assert w.active(key) == ["a", "s", "s"]
    w.complete(second.key, result="r2")
    assert w.ended[key] == {"items": [1, 2], "results": ["r1", "r2"]}
    assert w.left() == {}


def test_terminate_end_ends_its_own_round_only() -> None:
    """A terminate end event in a multi-instance sub-process leaves the other rounds alone."""
    terminate = element("endEvent", "te", "<bpmn:terminateEventDefinition/>")
    inner = (
        element("startEvent", "ss")
        + job("a")
        + job("b")
        + terminate
        + chain("ss", "a", "te")
        + chain("ss", "b")
    )
    w = World()
    w.deploy(around(sub_process("s", LOOP, inner)))
    key = w.start(items=[1, 2])
    first, second = sorted(w.take("a"), key=lambda each: int(each.variables["item"]))
    w.complete(first.key, result="r1")
    assert w.active(key) == ["a", "b", "s", "s"]
    w.complete(second.key, result="r2")
    assert w.ended[key] == {"items": [1, 2], "results": ["r1", "r2"]}
    assert w.left() == {}


def test_call_activities_as_rounds() -> None:
    """Each item has a called process of its own; its variables come back to its round, not past it."""
    w = World()
    own = call("c", "q", parts=LOOP, inputs={"x": "=item"}, propagateAllParentVariables="false")
    w.deploy(around(own, called=called_process(job("a"), "a")))
    key = w.start(items=[1, 2])
    first, second = rounds(w)
    assert first.variables == {"x": 1, "item": 1, "loopCounter": 1, "result": None}
    w.complete(second.key, result="r2", x="stays at the round")
    w.complete(first.key, result="r1")
    assert w.ended[key] == {"items": [1, 2], "results": ["r1", "r2"]}
    assert w.left() == {}


def test_called_processes_overwrite_the_collection_they_were_given() -> None:
    """As documented: without mappings a called process brings back the collection as it was when it began."""
    w = World()
    w.deploy(around(call("c", "q", parts=LOOP), called=called_process(job("a"), "a")))
    key = w.start(items=[1, 2])
    first, second = rounds(w)
    assert first.variables == {
        "items": [1, 2],
        "results": [None, None],
        "item": 1,
        "loopCounter": 1,
        "result": None,
    }
    w.complete(second.key, result="r2")
    w.complete(first.key, result="r1")
    assert w.ended[key] == {"items": [1, 2], "results": ["r1", None]}
    assert w.left() == {}


def test_call_activities_with_output_mappings() -> None:
    """The documented way to collect from called processes: an output mapping onto the output element."""
    w = World()
    called = called_process(script("x", "=item * 100", "x"), "x")
    loop = multi_instance("=items", "item", output=("results", "=output"))
    w.deploy(around(call("c", "q", parts=loop, outputs={"output": "=x"}), called=called))
    key = w.start(items=[1, 2, 3])
    assert w.ended[key] == {"items": [1, 2, 3], "results": [100, 200, 300]}
    assert w.left() == {}


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
def test_receive_tasks_as_rounds(sequential: bool) -> None:
    """Each round waits for a message with a key of its own, worked out from its item."""
    w = World()
    loop = multi_instance("=items", "item", output=("results", "=got"), sequential=sequential)
    w.deploy(around(receive("r", "I", loop)))
    key = w.start(items=["x", "y"])
    w.publish("i", "y", ttl=1000, got="Y")
    assert len(w.active(key)) == 2
    w.publish("i", "x", got="X")
    assert w.ended[key] == {"items": ["x", "y"], "results": ["X", "Y"]}
    w.later(1000)
    assert w.left() == {}


def test_nested_multi_instance() -> None:
    """Rounds within rounds: each has its own item, counter and result, and lists are collected in lists."""
    w = World()
    inner_loop = multi_instance("=row", "cell", output=("line", "=value"))
    inner = (
        element("startEvent", "ss")
        + job("a", inner_loop)
        + element("endEvent", "se")
        + chain("ss", "a", "se")
    )
    outer_loop = multi_instance("=rows", "row", output=("table", "=line"), sequential=True)
    w.deploy(around(sub_process("s", outer_loop, inner)))
    key = w.start(rows=[[1, 2], [], [3]])
    first, second = rounds(w)
    assert w.local(second.instance) == {"cell": 2, "loopCounter": 2, "value": None}
    w.complete(second.key, value=20)
    w.complete(first.key, value=10)
    w.do("a", value=30)
    assert w.ended[key] == {"rows": [[1, 2], [], [3]], "table": [[10, 20], [], [30]]}
    assert w.left() == {}


# Events on the body


@pytest.mark.parametrize("kind", ["timer", "message"])
def test_interrupting_boundary_event_ends_all_rounds(kind: str) -> None:
    """An interrupting event on the activity ends body and rounds; no partial output is seen."""
    definition = timer("duration", "PT5S") if kind == "timer" else on_message("M")
    w = World()
    w.deploy(around(job("a", LOOP), boundary("b", "a", definition), job("after"), chain("b", "after")))
    key = w.start(items=[1, 2], key="k")
    first, _ = rounds(w)
    w.complete(first.key, result="lost")
    if kind == "timer":
        w.later(5000)
    else:
        w.publish("m", "k")
    assert w.active(key) == ["after"]
    assert w.path(key, "ELEMENT_TERMINATED") == ["a", "a"]
    w.do("after")
    assert w.ended[key] == {"items": [1, 2], "key": "k"}
    assert w.left() == {}


def test_boundary_events_are_waited_for_once() -> None:
    """A boundary event belongs to the body: however many rounds there are, it happens once."""
    w = World()
    on_body = boundary("b", "a", timer("duration", "PT5S"), interrupting=False)
    w.deploy(around(job("a", LOOP), on_body, job("after"), chain("b", "after")))
    key = w.start(items=[1, 2, 3])
    w.later(10_000)
    after = w.do("after")
    assert after.variables == {"items": [1, 2, 3]}  # nothing local of the activity
    for each in rounds(w):
        w.complete(each.key, result=1)
    assert w.ended[key] == {"items": [1, 2, 3], "results": [1, 1, 1]}
    assert w.left() == {}


def test_non_interrupting_message_several_times() -> None:
    """A non-interrupting message event on the activity happens as often as the message comes."""
    w = World()
    on_body = boundary("b", "a", on_message("M"), interrupting=False)
    w.deploy(around(job("a", ONE_BY_ONE), on_body, job("after"), chain("b", "after")))
    key = w.start(items=[1, 2], key="k")
    w.publish("m", "k", n=1)
    w.do("a", result="r1")
    w.publish("m", "k", n=2)
    assert [each.variables["n"] for each in w.take("after")] == [2, 2]
    assert w.active(key) == ["a", "a", "after", "after"]
    w.cancel(key)
    assert w.left() == {}


@pytest.mark.parametrize("what", ["job", "sub-process", "call activity"])
def test_error_out_of_a_round_is_caught_at_the_activity(what: str) -> None:
    """An error that leaves one round ends all of them, and goes on at the boundary event of the activity."""
    called = called_process(job("called", type="a"), "called")
    activity = {
        "job": job("t", LOOP, type="a"),
        "sub-process": sub_process("s", LOOP, INNER),
        "call activity": call("c", "q", parts=LOOP),
    }[what]
    name = {"job": "t", "sub-process": "s", "call activity": "c"}[what]
    w = World()
    caught = boundary("b", name, on_error("E"), outputs={"why": "=reason"})
    w.deploy(around(activity, caught, job("after"), chain("b", "after"), called=called))
    key = w.start(items=[1, 2, 3])
    taken = sorted(w.take("a"), key=lambda each: int(each.variables["item"]))
    w.throw(taken[1].key, "X", reason="r2")
    assert w.active(key) == ["after"]
    w.do("after")
    assert w.ended[key] == {"items": [1, 2, 3], "why": "r2"}
    assert w.left() == {}


def test_error_within_a_round_is_caught_there() -> None:
    """An error that is caught inside of a round leaves the other rounds alone."""
    caught = boundary("b", "a", on_error("E")) + job("instead") + chain("b", "instead", "se")
    w = World()
    w.deploy(around(sub_process("s", LOOP, INNER, caught)))
    key = w.start(items=[1, 2])
    first, second = sorted(w.take("a"), key=lambda each: int(each.variables["item"]))
    w.throw(first.key, "X")
    w.complete(second.key, result="r2")
    assert w.do("instead", result="i1").variables["item"] == 1
    assert w.ended[key] == {"items": [1, 2], "results": ["i1", "r2"]}
    assert w.left() == {}


def test_event_sub_process_within_a_round() -> None:
    """An event sub-process in a multi-instance sub-process waits in each round by itself, with its item as the key."""
    handler = event_sub_process(
        "es",
        event_start("es1", on_message("I")),
        job("h"),
        element("endEvent", "es2"),
        chain("es1", "h", "es2"),
    )
    w = World()
    w.deploy(around(sub_process("s", LOOP, INNER, handler)))
    key = w.start(items=["x", "y"])
    w.publish("i", "y")
    assert w.active(key) == ["a", "es", "h", "s", "s", "s"]
    assert w.do("h", result="handled").variables["item"] == "y"
    w.do("a", result="normal")
    assert w.ended[key] == {"items": ["x", "y"], "results": ["normal", "handled"]}
    assert w.left() == {}


def test_error_event_sub_process_within_a_round() -> None:
    """An error is caught by the event sub-process of the round it comes from, and of no other one."""
    handler = event_sub_process(
        "es", event_start("es1", on_error("E")), element("endEvent", "es2"), chain("es1", "es2")
    )
    w = World()
    w.deploy(around(sub_process("s", LOOP, INNER, handler)))
    key = w.start(items=[1, 2])
    first, second = sorted(w.take("a"), key=lambda each: int(each.variables["item"]))
    w.throw(first.key, "X")
    assert w.active(key) == ["a", "s", "s"]
    w.complete(second.key, result="r2")
    assert w.ended[key] == {"items": [1, 2], "results": [None, "r2"]}
    assert w.left() == {}


# Ends


@pytest.mark.parametrize("loop", [LOOP, ONE_BY_ONE], ids=["parallel", "sequential"])
def test_cancel_with_rounds(loop: str) -> None:
    """Cancelling ends body, rounds and jobs."""
    w = World()
    w.deploy(around(job("a", loop)))
    key = w.start(items=[1, 2, 3])
    w.take("a")
    w.cancel(key)
    assert w.ended[key] is None
    assert w.left() == {}


@pytest.mark.parametrize("loop", [LOOP, ONE_BY_ONE], ids=["parallel", "sequential"])
def test_restart_between_rounds(tmp_path: Path, loop: str) -> None:
    """Items, results so far and counters are as before after a restart."""
    w = World(tmp_path)
    w.deploy(around(sub_process("s", loop, INNER)))
    key = w.start(items=["x", "y", "z"])
    while key not in w.ended:
        taken = w.take("a")[0]
        w.restart()
        w.complete(taken.key, result=taken.variables["item"] * 2)
        w.restart()
        w.later(60_000)  # what else was taken comes back
    assert w.ended[key] == {"items": ["x", "y", "z"], "results": ["xx", "yy", "zz"]}
    assert w.left() == {}


def test_activity_behind_two_flows_runs_for_each_token() -> None:
    """Two tokens at a multi-instance activity have two bodies, which know nothing of each other."""
    w = World()
    gateways = element("parallelGateway", "f") + element("exclusiveGateway", "m")
    routes = chain("start", "f", "t", "m", "a", "end") + chain("f", "m")
    w.deploy(definitions(process("p", START, gateways, element("task", "t"), job("a", LOOP), END, routes)))
    key = w.start(items=[1, 2])
    taken = w.take("a")
    assert len(taken) == 4
    for each in taken:
        w.complete(each.key, result=each.variables["item"])
    assert w.ended[key] == {"items": [1, 2], "results": [1, 2]}
    assert w.left() == {}
