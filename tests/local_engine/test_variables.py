"""Variables: one tree of scopes, results that go to the nearest scope, and mappings."""

from __future__ import annotations

from typing import Any

import pytest

from local_engine.documents import read_document
from tests.local_engine.bpmn import END, START, chain, definitions, job, process, script, sub_process
from tests.local_engine.world import World


def world(*parts: str, ids: tuple[str, ...]) -> World:
    """Return a world with one process that goes through elements in a row."""
    made = World()
    made.deploy(definitions(process("p", START, *parts, END, chain("start", *ids, "end"))))
    return made


def nested(inner: str, *, extensions: str = "") -> World:
    """Return a world with a sub-process around one task `a`."""
    body = sub_process(
        "sub",
        '<bpmn:startEvent id="s"/>',
        inner,
        '<bpmn:endEvent id="e"/>',
        chain("s", "a", "e"),
        extensions=extensions,
    )
    return world(body, ids=("sub",))


def test_a_job_sees_its_locals_over_all_outer_variables() -> None:
    """An input covers a process variable of its name, and every other variable is seen too."""
    w = world(job("a", inputs={"x": "=1", "own": "=x + 1"}), ids=("a",))
    w.start(x=5, y=7)
    assert w.take_one("a").variables == {"x": 1, "own": 2, "y": 7}


@pytest.mark.parametrize(
    ("fetch", "seen"),
    [
        pytest.param(["x"], {"x": 1}, id="one"),
        pytest.param(["x", "nobody"], {"x": 1}, id="missing_names_are_absent"),
        pytest.param(["nobody"], {}, id="none_of_them"),
        pytest.param([], {"x": 1, "y": None}, id="all"),
    ],
)
def test_fetched_variables_are_narrowed(fetch: list[str], seen: dict[str, Any]) -> None:
    """Only the variables that are asked for come with the job."""
    w = world(job("a"), ids=("a",))
    w.start(x=1, y=None)
    (taken,) = w.take("a", fetch=fetch)
    assert taken.variables == seen


def test_results_go_to_the_process_when_no_scope_has_them() -> None:
    """A new variable of a job inside a sub-process is one of the process."""
    w = nested(job("a"))
    key = w.start()
    w.do("a", new=1)
    assert w.ended[key] == {"new": 1}


def test_results_stay_in_the_nearest_scope_that_has_them() -> None:
    """A local of the sub-process takes the result, and goes with the sub-process."""
    w = nested(
        job("a"), extensions='<zeebe:ioMapping><zeebe:input source="=0" target="kept"/></zeebe:ioMapping>'
    )
    key = w.start(kept="outer")
    w.do("a", kept="inner", other=2)
    assert w.ended[key] == {"kept": "outer", "other": 2}


def test_an_input_swallows_the_result_of_its_name() -> None:
    """A result with the name of the task's own input does not leave the task."""
    w = world(job("a", inputs={"x": "=1"}), job("b"), ids=("a", "b"))
    w.start()
    w.do("a", x=9, y=2)
    assert w.take_one("b").variables == {"y": 2}


@pytest.mark.parametrize(
    ("outputs", "result", "left"),
    [
        pytest.param({"out": "=r + 1"}, {"r": 1, "hidden": 2}, {"out": 2}, id="only_what_is_mapped"),
        pytest.param({"r": "=r"}, {"r": 1}, {"r": 1}, id="of_the_same_name"),
        pytest.param({"a": "=r", "b": "=a * 2"}, {"r": 2}, {"a": 2, "b": 4}, id="in_their_order"),
        pytest.param({"c.d.e": "=r"}, {"r": 1}, {"c": {"d": {"e": 1}}}, id="a_path"),
        pytest.param({"c.x": "=r", "c.y": "=r + 1"}, {"r": 1}, {"c": {"x": 1, "y": 2}}, id="two_paths"),
        pytest.param({"out": "=nobody"}, {}, {"out": None}, id="null_is_a_value"),
        pytest.param({"out": "1"}, {}, {"out": "1"}, id="static_text_is_a_string"),
    ],
)
def test_output_mappings(outputs: dict[str, str], result: dict[str, Any], left: dict[str, Any]) -> None:
    """With output mappings the result is local, and only the mapped variables leave the task."""
    w = world(job("a", outputs=outputs), ids=("a",))
    key = w.start()
    w.do("a", **result)
    assert w.ended[key] == left


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"k": 0}, {"k": 0, "deep": 6}, id="merged_into_a_context"),
        pytest.param("text", {"deep": 6}, id="instead_of_a_text"),
        pytest.param(None, {"deep": 6}, id="instead_of_null"),
    ],
)
def test_a_path_is_merged_into_what_is_there(before: Any, after: Any) -> None:
    """An output mapping with a path keeps the other keys of an existing context."""
    w = world(script("c", "=5 + 1", "r", outputs={"out.deep": "=r"}), ids=("c",))
    key = w.start(out=before)
    assert w.ended[key] == {"out": after}


def test_an_input_path_makes_a_context_of_its_own() -> None:
    """An input mapping with a path does not copy the outer context of that name."""
    w = world(job("a", inputs={"c.x": "=1", "c.y": "=c.x + 1"}), ids=("a",))
    w.start(c={"outer": True})
    assert w.take_one("a").variables == {"c": {"x": 1, "y": 2}}


def test_output_targets_begin_at_the_parent() -> None:
    """A mapped variable with the name of an input leaves the task all the same."""
    w = world(job("a", inputs={"x": "=1"}, outputs={"x": "=r"}), ids=("a",))
    key = w.start()
    w.do("a", r=5)
    assert w.ended[key] == {"x": 5}


def test_a_failing_input_mapping_is_an_incident_and_is_tried_again() -> None:
    """An assertion that fails stops the element; with the variable set, resolving goes on."""
    w = world(job("a", inputs={"y": '=assert(x, x != null, "no x")'}), ids=("a",))
    key = w.start()
    assert (w.incident().type, "no x" in w.incident().message) == ("IO_MAPPING_ERROR", True)
    w.set(key, x=1)
    w.resolve()
    assert w.do("a").variables == {"x": 1, "y": 1}
    assert w.left() == {}


def test_a_failing_output_mapping_keeps_the_result() -> None:
    """The job is not done again: the incident is mended and the mapping evaluated over the kept result."""
    w = world(job("a", outputs={"y": '=assert(r + x, x != null, "no x")'}), ids=("a",))
    key = w.start()
    w.do("a", r=1)
    assert w.incident().type == "IO_MAPPING_ERROR"
    w.resolve()
    assert w.incident().type == "IO_MAPPING_ERROR"
    w.set(key, x=2)
    w.resolve()
    assert w.ended[key] == {"x": 2, "y": 3}
    assert w.left() == {}


@pytest.mark.parametrize(
    ("local", "process_has"),
    [pytest.param(True, {"x": 1}, id="local"), pytest.param(False, {"x": 2}, id="propagated")],
)
def test_set_variables(local: bool, process_has: dict[str, Any]) -> None:
    """A local variable covers the outer one; one that is propagated changes it."""
    w = world(job("a"), job("b"), ids=("a", "b"))
    key = w.start(x=1)
    taken = w.take_one("a")
    w.set(taken.instance, local=local, x=2)
    w.complete(taken.key)
    assert w.local(key) == process_has


@pytest.mark.parametrize("depth", [200, 201, 999, 1000], ids=str)
def test_deep_values_pass(depth: int) -> None:
    """A list nested a thousand levels deep goes in with the instance, through a job, and out."""
    text = "[" * depth + "1" + "]" * depth
    w = world(job("a"), ids=("a",))
    instance = w.engine.creation.create(w.engine.latest["p"], read_document(f'{{"deep":{text}}}'))
    w.settle()
    ((taken, seen),) = w.engine.jobs.activate("a", "w", 1000, 1)
    assert seen == f'{{"deep":{text}}}'
    w.engine.jobs.complete(taken.key, read_document(f'{{"also":{text}}}'))
    w.settle()
    assert instance.variables["also"].text == text
    value, levels = instance.variables["deep"].value, 0
    while isinstance(value, list):
        (value,) = value
        levels += 1
    assert (value, levels) == (1, depth)
