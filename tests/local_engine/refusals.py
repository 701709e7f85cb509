"""Diagrams with one mistake: how cases are written, and how a refusal is checked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from local_engine.diagram.reader import read
from local_engine.errors import DiagramError
from tests.local_engine import bpmn
from tests.local_engine.bpmn import START, definitions, element, flow, job, process

SHARED = "".join(
    [
        bpmn.message("Message", "paid", "=order"),
        bpmn.message("Same", "paid", "=invoice"),
        bpmn.message("Keyless", "nothing"),
        bpmn.message("Nameless", "", "=order"),
        bpmn.error("Error", "broken"),
        bpmn.error("Twin", "broken"),
        bpmn.error("Codeless", ""),
        bpmn.error("Computed", "=code"),
    ]
)
SECOND = bpmn.timer("duration", "PT1S")
ON_MESSAGE = bpmn.on_message("Message")
ON_ERROR = bpmn.on_error("Error")


def problems_of(content: bytes) -> list[str]:
    """Return what is wrong with a diagram, one line each."""
    with pytest.raises(DiagramError) as refusal:
        read(content)
    return str(refusal.value).split("\n")


def case(
    name: str,
    element_id: str,
    words: str,
    *parts: str,
    start: str = START,
    shared: str = SHARED,
) -> Any:
    """Return a diagram with one mistake: the element that is told of, and words of the sentence."""
    return pytest.param(definitions(shared, process("p", start, *parts)), element_id, words, id=name)


def check(content: bytes, element_id: str, words: str) -> None:
    """Check that one problem is told: of this element, with these words, and with what to do."""
    problems = problems_of(content)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"Element '{element_id}': ")
    assert words in problems[0]
    sentence = problems[0].removeprefix(f"Element '{element_id}': ")
    assert re.search(r"[;:] .+\.$", sentence), "what is to be done"


def extended(kind: str, extensions: str, *parts: str, id: str = "x", **attributes: str) -> str:
    """Return an element with these extension elements."""
    return element(kind, id, *parts, extensions=extensions, **attributes)


def start(definition: str = "", id: str = "x", **attributes: str) -> str:
    """Return a start event."""
    return element("startEvent", id, definition, **attributes)


def catch(definition: str = "", id: str = "x", **attributes: str) -> str:
    """Return an intermediate catch event."""
    return element("intermediateCatchEvent", id, definition, **attributes)


def throw(definition: str = "", id: str = "x") -> str:
    """Return an intermediate throw event."""
    return element("intermediateThrowEvent", id, definition)


def end(definition: str, id: str = "x") -> str:
    """Return an end event."""
    return element("endEvent", id, definition)


def attached(definition: str, id: str = "x", *, interrupting: bool = True) -> str:
    """Return a task `a` with a boundary event that leads to an end event."""
    event = bpmn.boundary(id, "a", definition, interrupting=interrupting)
    return job("a") + event + element("endEvent", "after") + flow(id, "after")


def event_sub(definition: str, id: str = "es", start_id: str = "x", *, interrupting: str = "true") -> str:
    """Return an event sub-process with its start event."""
    return bpmn.event_sub_process(id, start(definition, start_id, isInterrupting=interrupting))


def event(kind: str) -> str:
    """Return an empty event definition of a kind."""
    return f"<bpmn:{kind}EventDefinition/>"


def link(name: str) -> str:
    """Return the definition of a link event."""
    return f'<bpmn:linkEventDefinition name="{name}"/>'


def repeated(*parts: str, loop: str = "", **characteristics: str) -> str:
    """Return a service task `x` whose multi-instance marker has these characteristics and parts."""
    given = "".join(f' {name}="{value}"' for name, value in characteristics.items())
    own = f"<bpmn:extensionElements><zeebe:loopCharacteristics{given}/></bpmn:extensionElements>"
    marker = "multiInstanceLoopCharacteristics"
    return job("x", f"<bpmn:{marker}{loop}>{own}{''.join(parts)}</bpmn:{marker}>")
