"""Diagrams for the engine's own tests, put together from short texts: ids are all that a case has to name.

definitions(process("p", START, job("a"), END, flow("start", "a"), flow("a", "end")))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

START = '<bpmn:startEvent id="start"/>'
END = '<bpmn:endEvent id="end"/>'

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


def definitions(*parts: str) -> bytes:
    """Return a whole diagram of processes, messages and errors."""
    return (
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
        ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">'
        f"{''.join(parts)}</bpmn:definitions>"
    ).encode()


def process(process_id: str, *parts: str) -> str:
    """Return an executable process."""
    return f'<bpmn:process id="{process_id}" isExecutable="true">{"".join(parts)}</bpmn:process>'


def chain(*ids: str) -> str:
    """Return the flows from each element to the next."""
    return "".join(flow(source, target) for source, target in pairwise(ids))


def flow(source: str, target: str, condition: str | None = None) -> str:
    """Return a sequence flow with the id `source-target`."""
    inner = (
        ""
        if condition is None
        else f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>"
    )
    ends = f'sourceRef="{source}" targetRef="{target}"'
    return f'<bpmn:sequenceFlow id="{source}-{target}" {ends}>{inner}</bpmn:sequenceFlow>'


def element(kind: str, element_id: str, *parts: str, extensions: str = "", **attributes: str) -> str:
    """Return an element of any kind; an attribute's trailing underscore is dropped (`default_`)."""
    given = "".join(f" {name.rstrip('_')}={quoteattr(value)}" for name, value in attributes.items())
    inner = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>" if extensions else ""
    return f'<bpmn:{kind} id="{element_id}"{given}>{inner}{"".join(parts)}</bpmn:{kind}>'


def job(
    element_id: str,
    *parts: str,
    type: str | None = None,
    retries: str = "3",
    inputs: Pairs = (),
    outputs: Pairs = (),
    headers: Pairs = (),
    kind: str = "serviceTask",
    extensions: str = "",
) -> str:
    """Return a task that is a job; its type is its id unless given."""
    definition = f"<zeebe:taskDefinition type={quoteattr(type or element_id)} retries={quoteattr(retries)}/>"
    if headers:
        listed = "".join(
            f"<zeebe:header key={quoteattr(k)} value={quoteattr(v)}/>" for k, v in _pairs(headers)
        )
        definition += f"<zeebe:taskHeaders>{listed}</zeebe:taskHeaders>"
    return element(kind, element_id, *parts, extensions=definition + mappings(inputs, outputs) + extensions)


def mappings(inputs: Pairs = (), outputs: Pairs = ()) -> str:
    """Return the input and output mappings, each as target -> source."""
    rows = [("input", *pair) for pair in _pairs(inputs)] + [("output", *pair) for pair in _pairs(outputs)]
    inner = "".join(
        f"<zeebe:{k} source={quoteattr(source)} target={quoteattr(target)}/>" for k, target, source in rows
    )
    return f"<zeebe:ioMapping>{inner}</zeebe:ioMapping>" if rows else ""


def script(
    element_id: str, expression: str, result: str, *parts: str, inputs: Pairs = (), outputs: Pairs = ()
) -> str:
    """Return a script task."""
    own = f"<zeebe:script expression={quoteattr(expression)} resultVariable={quoteattr(result)}/>"
    return element("scriptTask", element_id, *parts, extensions=own + mappings(inputs, outputs))


def sub_process(element_id: str, *parts: str, extensions: str = "") -> str:
    """Return an embedded sub-process."""
    return element("subProcess", element_id, *parts, extensions=extensions)


def event_sub_process(element_id: str, *parts: str, extensions: str = "") -> str:
    """Return an event sub-process."""
    return element("subProcess", element_id, *parts, extensions=extensions, triggeredByEvent="true")


def call(
    element_id: str,
    process_id: str,
    *,
    inputs: Pairs = (),
    outputs: Pairs = (),
    parts: str = "",
    **options: str,
) -> str:
    """Return a call activity; options are attributes of `zeebe:calledElement`."""
    given = "".join(f" {name}={quoteattr(value)}" for name, value in options.items())
    own = f"<zeebe:calledElement processId={quoteattr(process_id)}{given}/>"
    return element("callActivity", element_id, parts, extensions=own + mappings(inputs, outputs))


def boundary(
    element_id: str, attached_to: str, definition: str, *, interrupting: bool = True, outputs: Pairs = ()
) -> str:
    """Return a boundary event."""
    cancel = "true" if interrupting else "false"
    own = mappings((), outputs)
    return element(
        "boundaryEvent",
        element_id,
        definition,
        extensions=own,
        attachedToRef=attached_to,
        cancelActivity=cancel,
    )


def catch(element_id: str, definition: str, *, outputs: Pairs = ()) -> str:
    """Return an intermediate catch event."""
    return element("intermediateCatchEvent", element_id, definition, extensions=mappings((), outputs))


def receive(element_id: str, message_id: str, *parts: str, outputs: Pairs = ()) -> str:
    """Return a receive task."""
    own = mappings((), outputs)
    return element("receiveTask", element_id, *parts, extensions=own, messageRef=message_id)


def event_start(element_id: str, definition: str, *, interrupting: bool = True, outputs: Pairs = ()) -> str:
    """Return a start event that waits for something; `interrupting` matters in event sub-processes only."""
    flag = "true" if interrupting else "false"
    return element(
        "startEvent", element_id, definition, extensions=mappings((), outputs), isInterrupting=flag
    )


def timer(kind: str, value: str) -> str:
    """Return a timer definition; kind is `duration`, `date` or `cycle`."""
    tag = f"time{kind.capitalize()}"
    return f"<bpmn:timerEventDefinition><bpmn:{tag}>{escape(value)}</bpmn:{tag}></bpmn:timerEventDefinition>"


def on_message(message_id: str) -> str:
    """Return the definition of a message event."""
    return f'<bpmn:messageEventDefinition messageRef="{message_id}"/>'


def on_error(error_id: str | None = None) -> str:
    """Return the definition of an error event; without an error it catches all."""
    return (
        f'<bpmn:errorEventDefinition errorRef="{error_id}"/>' if error_id else "<bpmn:errorEventDefinition/>"
    )


def message(message_id: str, name: str, key: str | None = None) -> str:
    """Return a message, with the correlation key's expression."""
    own = "" if key is None else f"<zeebe:subscription correlationKey={quoteattr(key)}/>"
    inner = f"<bpmn:extensionElements>{own}</bpmn:extensionElements>" if own else ""
    return f'<bpmn:message id="{message_id}" name={quoteattr(name)}>{inner}</bpmn:message>'


def error(error_id: str, code: str) -> str:
    """Return an error with its code."""
    return f'<bpmn:error id="{error_id}" errorCode={quoteattr(code)}/>'


def multi_instance(
    collection: str,
    item: str | None = None,
    *,
    output: tuple[str, str] | None = None,
    sequential: bool = False,
    until: str | None = None,
) -> str:
    """Return multi-instance characteristics.

    `output` is the collection's name and the element's expression.
    """
    own = f" inputCollection={quoteattr(collection)}"
    own += f" inputElement={quoteattr(item)}" if item else ""
    own += f" outputCollection={quoteattr(output[0])} outputElement={quoteattr(output[1])}" if output else ""
    condition = f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>" if until else ""
    return (
        f'<bpmn:multiInstanceLoopCharacteristics isSequential="{"true" if sequential else "false"}">'
        f"<bpmn:extensionElements><zeebe:loopCharacteristics{own}/></bpmn:extensionElements>"
        f"{condition}</bpmn:multiInstanceLoopCharacteristics>"
    )


def _pairs(pairs: Pairs) -> list[tuple[str, str]]:
    return list(pairs.items()) if isinstance(pairs, Mapping) else list(pairs)
