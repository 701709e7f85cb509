"""What a deployed diagram becomes: elements, flows, jobs, events and mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local_engine.diagram.model import (
    Element,
    ErrorEvent,
    JobDefinition,
    Kind,
    LinkEvent,
    MessageEvent,
    Process,
    TerminateEvent,
    TimerEvent,
    TimerKind,
)
from local_engine.diagram.reader import DEEPEST, read
from tests.local_engine import bpmn
from tests.local_engine.bpmn import END, START, chain, definitions, element, flow, job, process

ROOT = Path(__file__).parents[2]
DIAGRAMS = sorted([*ROOT.glob("examples/*.bpmn"), *ROOT.glob("worker/openai_connector/tools/demo/*.bpmn")])
MESSAGE = bpmn.message("Message", "paid", "=order")
ERROR = bpmn.error("Error", "broken")


def one(*parts: str, shared: str = "") -> Process:
    """Return the process that holds these elements beside a none start event."""
    (found,) = read(definitions(shared, process("p", START, *parts)))
    return found


def only(*parts: str, shared: str = "", id: str = "x") -> Element:
    """Return one element of such a process."""
    return one(*parts, shared=shared).elements[id]


def job_of(*parts: str) -> JobDefinition:
    """Return the job of the element `x`."""
    found = only(*parts).job
    assert found is not None
    return found


def catch(definition: str, element_id: str = "x") -> str:
    """Return an intermediate catch event."""
    return element("intermediateCatchEvent", element_id, definition)


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: path.stem)
def test_every_diagram_of_this_repository_is_read(path: Path) -> None:
    """The examples and the demo's process can be deployed as they are."""
    (found,) = read(path.read_bytes())
    assert found.id == path.stem
    assert found.root.start is not None


@pytest.mark.parametrize(
    ("kind", "record_type", "part"),
    [
        (Kind.START_EVENT, "START_EVENT", ""),
        (Kind.END_EVENT, "END_EVENT", element("endEvent", "x")),
        (Kind.CATCH_EVENT, "INTERMEDIATE_CATCH_EVENT", catch(bpmn.timer("duration", "PT1S"))),
        (Kind.THROW_EVENT, "INTERMEDIATE_THROW_EVENT", element("intermediateThrowEvent", "x")),
        (Kind.EXCLUSIVE_GATEWAY, "EXCLUSIVE_GATEWAY", element("exclusiveGateway", "x")),
        (Kind.PARALLEL_GATEWAY, "PARALLEL_GATEWAY", element("parallelGateway", "x")),
        (Kind.INCLUSIVE_GATEWAY, "INCLUSIVE_GATEWAY", element("inclusiveGateway", "x")),
        (
            Kind.EVENT_BASED_GATEWAY,
            "EVENT_BASED_GATEWAY",
            element("eventBasedGateway", "x")
            + catch(bpmn.timer("duration", "PT1S"), "t")
            + catch(bpmn.timer("duration", "PT2S"), "u")
            + flow("x", "t")
            + flow("x", "u"),
        ),
        (Kind.SERVICE_TASK, "SERVICE_TASK", job("x")),
        (Kind.SEND_TASK, "SEND_TASK", job("x", kind="sendTask")),
        (Kind.BUSINESS_RULE_TASK, "BUSINESS_RULE_TASK", job("x", kind="businessRuleTask")),
        (Kind.SCRIPT_TASK, "SCRIPT_TASK", bpmn.script("x", "=1", "one")),
        (Kind.USER_TASK, "USER_TASK", element("userTask", "x")),
        (Kind.RECEIVE_TASK, "RECEIVE_TASK", element("receiveTask", "x", messageRef="Message")),
        (Kind.MANUAL_TASK, "MANUAL_TASK", element("manualTask", "x")),
        (Kind.UNDEFINED_TASK, "TASK", element("task", "x")),
        (Kind.SUB_PROCESS, "SUB_PROCESS", bpmn.sub_process("x", element("startEvent", "s"))),
        (
            Kind.EVENT_SUB_PROCESS,
            "EVENT_SUB_PROCESS",
            bpmn.event_sub_process("x", element("startEvent", "s", bpmn.timer("duration", "PT1S"))),
        ),
        (Kind.CALL_ACTIVITY, "CALL_ACTIVITY", bpmn.call("x", "other")),
        (
            Kind.BOUNDARY_EVENT,
            "BOUNDARY_EVENT",
            job("a") + END + bpmn.boundary("x", "a", bpmn.on_error()) + flow("x", "end"),
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else "",
)
def test_each_kind_of_element(kind: Kind, record_type: str, part: str) -> None:
    """Every element that the engine has is read, with the type that its records name."""
    found = only(part, shared=MESSAGE, id="start" if kind is Kind.START_EVENT else "x")
    assert (found.kind, found.record_type) == (kind, record_type)
    assert found.scope is not None
    assert found.scope.id == "p"


def test_a_process_has_its_names_and_its_root() -> None:
    """Id and names of the process and its elements are kept, and the root is one of its elements."""
    (found,) = read(
        definitions(
            '<bpmn:process id="p" name="Orders" isExecutable="true">'
            '<bpmn:startEvent id="start" name="Order placed"/></bpmn:process>'
        )
    )
    assert (found.id, found.name, found.key, found.version, found.resource_name) == ("p", "Orders", 0, 0, "")
    assert found.elements["p"] is found.root
    assert (found.root.kind, found.root.record_type, found.root.scope) == (Kind.PROCESS, "PROCESS", None)
    assert found.elements["start"].name == "Order placed"
    assert found.root.start is found.elements["start"]


def test_flows_connect_elements_in_the_order_of_the_document() -> None:
    """A gateway's flows keep their order, conditions and default flow, and are known at both ends."""
    found = one(
        END,
        element("exclusiveGateway", "x", default_="x-c"),
        job("a"),
        job("b"),
        job("c"),
        flow("start", "x"),
        flow("x", "b", "  =n > 1\n "),
        flow("x", "a", "=n < 0"),
        flow("x", "c"),
        chain("a", "end"),
    )
    gateway = found.elements["x"]
    assert [leaving.id for leaving in gateway.outgoing] == ["x-b", "x-a", "x-c"]
    assert [condition.text for leaving in gateway.outgoing if (condition := leaving.condition)] == [
        "=n > 1",
        "=n < 0",
    ]
    assert gateway.default_flow is gateway.outgoing[2]
    assert [(arriving.source.id, arriving.target) for arriving in gateway.incoming] == [("start", gateway)]


def test_a_flow_may_be_written_anywhere() -> None:
    """A flow belongs to the scope of its ends, wherever in the process it is written."""
    found = one(job("a"), bpmn.sub_process("sub", element("startEvent", "s"), flow("start", "a")))
    assert [leaving.target.id for leaving in found.elements["start"].outgoing] == ["a"]


def test_a_job_has_its_type_retries_and_headers() -> None:
    """Job type and retries may be FEEL, and custom headers are taken as they are."""
    found = job_of(job("x", type="=prefix + 1", retries="=n", headers={"a": "1", "b": "=not FEEL here"}))
    assert (found.type.text, found.retries.text) == ("=prefix + 1", "=n")
    assert found.headers == {"a": "1", "b": "=not FEEL here"}
    assert found.computed_headers == {}


def test_a_job_has_three_retries_unless_given() -> None:
    """A task definition without retries means three."""
    found = job_of(element("serviceTask", "x", extensions='<zeebe:taskDefinition type="work"/>'))
    assert (found.type.text, found.retries.text) == ("work", "3")


@pytest.mark.parametrize("kind", ["endEvent", "intermediateThrowEvent"])
def test_a_message_that_is_thrown_is_a_job(kind: str) -> None:
    """Message throw and end events are jobs, and no events."""
    found = only(job("x", bpmn.on_message("Message"), kind=kind), shared=MESSAGE)
    assert found.job is not None
    assert found.job.type.text == "x"
    assert found.event is None


def test_a_script_task_may_be_a_job() -> None:
    """A script task with a task definition is a job, and no script."""
    found = only(job("x", kind="scriptTask"))
    assert (found.job is not None, found.script) == (True, None)


def test_a_script_has_an_expression_and_a_result() -> None:
    """A script's FEEL and the name of its result are kept."""
    found = only(bpmn.script("x", "=a + 1", "sum")).script
    assert found is not None
    assert (found.expression.text, found.result_variable) == ("=a + 1", "sum")


def test_a_user_task_is_a_job_with_its_assignment_in_headers() -> None:
    """Static assignments are headers as Zeebe writes them; lists of names are JSON arrays."""
    found = job_of(
        element(
            "userTask",
            "x",
            extensions='<zeebe:formDefinition formKey="my-form"/>'
            '<zeebe:assignmentDefinition assignee="ann" candidateGroups="sales, ops" candidateUsers="bob"/>'
            '<zeebe:taskSchedule dueDate="2027-01-01T10:00:00Z" followUpDate="2026-12-24T10:00:00+01:00"/>'
            '<zeebe:taskHeaders><zeebe:header key="own" value="1"/></zeebe:taskHeaders>',
        )
    )
    assert (found.type.text, found.retries.text) == ("io.camunda.zeebe:userTask", "1")
    assert found.headers == {
        "own": "1",
        "io.camunda.zeebe:formKey": "my-form",
        "io.camunda.zeebe:assignee": "ann",
        "io.camunda.zeebe:candidateGroups": '["sales","ops"]',
        "io.camunda.zeebe:candidateUsers": '["bob"]',
        "io.camunda.zeebe:dueDate": "2027-01-01T10:00:00Z",
        "io.camunda.zeebe:followUpDate": "2026-12-24T10:00:00+01:00",
    }
    assert found.computed_headers == {}


def test_a_user_tasks_expressions_are_worked_out_later() -> None:
    """Assignments that are FEEL become headers only when the job is created."""
    found = job_of(
        element(
            "userTask",
            "x",
            extensions='<zeebe:assignmentDefinition assignee="=owner" candidateGroups="=groups"/>'
            '<zeebe:taskSchedule dueDate="=now()"/><zeebe:priorityDefinition priority="=p"/>',
        )
    )
    assert found.headers == {}
    assert {name: expression.text for name, expression in found.computed_headers.items()} == {
        "io.camunda.zeebe:assignee": "=owner",
        "io.camunda.zeebe:candidateGroups": "=groups",
        "io.camunda.zeebe:dueDate": "=now()",
        "io.camunda.zeebe:priority": "=p",
    }


@pytest.mark.parametrize(
    ("attributes", "key"),
    [('formKey="embedded:x"', "embedded:x"), ('externalReference="x"', "x"), ("", None)],
    ids=["form key", "external reference", "neither"],
)
def test_a_user_tasks_form(attributes: str, key: str | None) -> None:
    """The key of a form, or a reference to one of somebody else's, is a header."""
    found = job_of(element("userTask", "x", extensions=f"<zeebe:formDefinition {attributes}/>"))
    assert found.headers.get("io.camunda.zeebe:formKey") == key


def test_mappings_have_sources_and_paths() -> None:
    """Dots in a target are a path, an empty source is null, and other text is a string."""
    found = only(
        job(
            "x",
            inputs=[("a", "=1"), ("b.c.d", "1"), ("nothing", ""), ("text", " = no FEEL")],
            outputs=[("out", "=result"), ("größe.for", "=n")],
        )
    )
    assert [(mapping.target, mapping.source.text) for mapping in found.inputs] == [
        (("a",), "=1"),
        (("b", "c", "d"), "1"),
        (("nothing",), "=null"),
        (("text",), " = no FEEL"),
    ]
    assert [mapping.source.is_static for mapping in found.inputs] == [False, True, False, True]
    assert [mapping.target for mapping in found.outputs] == [("out",), ("größe", "for")]


def test_a_mapping_without_a_source_is_null() -> None:
    """A source that is not there at all is null as an empty one is."""
    target = '<zeebe:ioMapping><zeebe:input target="a"/></zeebe:ioMapping>'
    (mapping,) = only(element("userTask", "x", extensions=target)).inputs
    assert mapping.source.text == "=null"


@pytest.mark.parametrize(
    "part",
    [
        element("endEvent", "x", extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"})),
        element("intermediateThrowEvent", "x", extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"})),
        element(
            "intermediateCatchEvent",
            "x",
            bpmn.on_message("Message"),
            extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"}),
        ),
        element("receiveTask", "x", messageRef="Message", extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"})),
        element("task", "x", extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"})),
        bpmn.sub_process("x", element("startEvent", "s"), extensions=bpmn.mappings({"a": "=1"}, {"b": "=2"})),
        bpmn.call("x", "other", inputs={"a": "=1"}, outputs={"b": "=2"}),
    ],
    ids=["end", "throw", "catch", "receive", "undefined", "sub-process", "call"],
)
def test_mappings_are_possible_at(part: str) -> None:
    """Activities and events have mappings of both kinds."""
    found = only(part, shared=MESSAGE)
    assert ([m.target for m in found.inputs], [m.target for m in found.outputs]) == ([("a",)], [("b",)])


@pytest.mark.parametrize(
    ("options", "parent", "child"),
    [
        ({}, True, True),
        ({"propagateAllParentVariables": "false", "bindingType": "latest"}, False, True),
        ({"propagateAllChildVariables": "0"}, True, False),
    ],
    ids=["defaults", "not the parent's", "not the child's"],
)
def test_a_call_activity(options: dict[str, Any], parent: bool, child: bool) -> None:
    """The called process and what is propagated are kept; all of it unless said otherwise."""
    found = only(bpmn.call("x", "=which", **options)).called
    assert found is not None
    assert found.process_id.text == "=which"
    assert (found.propagate_all_parent_variables, found.propagate_all_child_variables) == (parent, child)


def test_multi_instance_has_its_collections() -> None:
    """Everything that a multi-instance activity says is kept."""
    loop = bpmn.multi_instance("=items", "item", output=("results", "=r.x"), sequential=True, until="= done ")
    found = only(job("x", loop)).multi_instance
    assert found is not None
    assert found.sequential
    assert (found.input_collection.text, found.input_element) == ("=items", "item")
    assert (found.output_collection, found.output_variable) == ("results", "r")
    assert found.output_element is not None
    assert found.output_element.text == "=r.x"
    assert found.completion_condition is not None
    assert found.completion_condition.text == "= done"


def test_multi_instance_needs_a_collection_only() -> None:
    """A parallel multi-instance activity may leave out all but its collection."""
    found = only(element("userTask", "x", bpmn.multi_instance("=[1, 2]"))).multi_instance
    assert found is not None
    assert not found.sequential
    assert (found.input_element, found.output_collection, found.output_element) == (None, None, None)
    assert (found.output_variable, found.completion_condition) == (None, None)


@pytest.mark.parametrize(
    "part",
    [
        job("x", bpmn.multi_instance("=items")),
        job("x", bpmn.multi_instance("=items"), kind="sendTask"),
        job("x", bpmn.multi_instance("=items"), kind="businessRuleTask"),
        job("x", bpmn.multi_instance("=items"), kind="scriptTask"),
        element("receiveTask", "x", bpmn.multi_instance("=items"), messageRef="Message"),
        element("manualTask", "x", bpmn.multi_instance("=items")),
        bpmn.sub_process("x", element("startEvent", "s"), bpmn.multi_instance("=items")),
        bpmn.call("x", "other", parts=bpmn.multi_instance("=items")),
    ],
    ids=["service", "send", "business rule", "script", "receive", "manual", "sub-process", "call"],
)
def test_each_activity_may_be_multi_instance(part: str) -> None:
    """Tasks, sub-processes and call activities can all be multi-instance."""
    assert only(part, shared=MESSAGE).multi_instance is not None


@pytest.mark.parametrize(
    ("expression", "root"),
    [
        ("=result", "result"),
        ("= result.x.y ", "result"),
        ("=result . x", "result"),
        ("=straße", "straße"),
        ("=result + 1", None),
        ("=f(result)", None),
        ('="text"', None),
        ("=null", None),
        ("=true", None),
        ("=result[1]", None),
        ("={a: result}", None),
        ("=12", None),
    ],
    ids=[
        "a name",
        "a path",
        "white space",
        "any letter",
        "a sum",
        "a call",
        "a string",
        "null",
        "true",
        "a filter",
        "a context",
        "a number",
    ],
)
def test_the_output_variable_of_a_multi_instance(expression: str, root: str | None) -> None:
    """Only an output element that is a name or a path has a variable of its own in each round."""
    found = only(job("x", bpmn.multi_instance("=items", output=("all", expression)))).multi_instance
    assert found is not None
    assert found.output_variable == root


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("duration", "PT15S", TimerKind.DURATION),
        ("duration", " P1Y2M3W4DT5H6M7.5S\n", TimerKind.DURATION),
        ("duration", "=wait", TimerKind.DURATION),
        ("date", "2027-01-01T10:00:00+01:00[Europe/Berlin]", TimerKind.DATE),
        ("date", "=at", TimerKind.DATE),
    ],
    ids=["seconds", "all parts", "FEEL", "date", "FEEL date"],
)
def test_a_timer_that_is_waited_for(kind: str, text: str, wanted: TimerKind) -> None:
    """An intermediate timer has a duration or a date, static or FEEL, without the white space around it."""
    event = only(catch(bpmn.timer(kind, text))).event
    assert isinstance(event, TimerEvent)
    assert (event.kind, event.expression.text) == (wanted, text.strip())


@pytest.mark.parametrize(
    ("kind", "text", "interrupting"),
    [
        ("duration", "PT1S", True),
        ("date", "2027-01-01T00:00:00Z", True),
        ("duration", "PT1S", False),
        ("date", "2027-01-01T00:00:00Z", False),
        ("cycle", "R3/PT1S", False),
    ],
    ids=["duration", "date", "non-interrupting duration", "non-interrupting date", "non-interrupting cycle"],
)
def test_a_boundary_timer(kind: str, text: str, interrupting: bool) -> None:
    """A boundary timer has a duration or a date, and a cycle too if it does not interrupt."""
    event = bpmn.boundary("x", "a", bpmn.timer(kind, text), interrupting=interrupting)
    found = one(job("a"), END, event, flow("x", "end"))
    boundary, activity = found.elements["x"], found.elements["a"]
    assert boundary.interrupting is interrupting
    assert boundary.attached_to is activity
    assert activity.boundary_events == [boundary]


@pytest.mark.parametrize(
    "cycle",
    [
        "R/PT1M",
        "R5/P1D",
        "R3/2027-01-01T00:00:00Z/PT1H",
        "R/2027-01-01T10:00:00+02:00[Europe/Berlin]/P1M",
        "=cycle(x)",
    ],
    ids=["endless", "counted", "with a start", "with a zone", "FEEL"],
)
def test_a_timer_that_starts_processes(cycle: str) -> None:
    """A process may be started by a cycle, and needs no none start event then."""
    (found,) = read(definitions(process("p", element("startEvent", "s", bpmn.timer("cycle", cycle)))))
    assert found.timer_starts == [found.elements["s"]]
    assert found.root.start is None


def test_a_process_may_have_many_starts() -> None:
    """None, message and timer start events stand side by side, each in its list."""
    second = bpmn.message("Other", "=1 + 1")
    (found,) = read(
        definitions(
            bpmn.message("Message", "paid"),
            second,
            process(
                "p",
                element("startEvent", "m", bpmn.on_message("Message")),
                element("startEvent", "t", bpmn.timer("date", "2027-01-01T00:00:00Z")),
                START,
                element("startEvent", "n", bpmn.on_message("Other")),
                element("startEvent", "u", bpmn.timer("cycle", "R/P1D")),
            ),
        )
    )
    assert found.root.start is found.elements["start"]
    assert [start.id for start in found.message_starts] == ["m", "n"]
    assert [start.id for start in found.timer_starts] == ["t", "u"]


def test_a_message_start_has_no_correlation_key() -> None:
    """A message that starts processes is taken without its correlation key, even if it has one."""
    start = element("startEvent", "s", bpmn.on_message("Message"))
    (found,) = read(definitions(MESSAGE, process("p", start)))
    event = found.message_starts[0].event
    assert isinstance(event, MessageEvent)
    assert (event.name.text, event.correlation_key) == ("paid", None)


@pytest.mark.parametrize(
    "part",
    [
        catch(bpmn.on_message("Message")),
        element("receiveTask", "x", messageRef="Message"),
        job("a") + END + bpmn.boundary("x", "a", bpmn.on_message("Message")) + flow("x", "end"),
        catch(bpmn.on_message("tns:Message")),
    ],
    ids=["catch event", "receive task", "boundary event", "with a prefix"],
)
def test_a_message_that_is_waited_for(part: str) -> None:
    """Whatever waits for a message has its name and its correlation key."""
    event = only(part, shared=MESSAGE).event
    assert isinstance(event, MessageEvent)
    assert event.correlation_key is not None
    assert (event.name.text, event.correlation_key.text) == ("paid", "=order")


@pytest.mark.parametrize(
    ("reference", "code"),
    [("Error", "broken"), (None, None)],
    ids=["one code", "all errors"],
)
def test_an_error_that_is_caught(reference: str | None, code: str | None) -> None:
    """A caught error has its code, and none if all are caught."""
    part = job("a") + END + bpmn.boundary("x", "a", bpmn.on_error(reference)) + flow("x", "end")
    event = only(part, shared=ERROR).event
    assert isinstance(event, ErrorEvent)
    assert (event.code.text if event.code is not None else None) == code


def test_an_error_that_is_thrown_may_have_an_expression() -> None:
    """The code of an error end event may be FEEL."""
    event = only(element("endEvent", "x", bpmn.on_error("Error")), shared=bpmn.error("Error", "=code")).event
    assert isinstance(event, ErrorEvent)
    assert event.code is not None
    assert event.code.text == "=code"


def test_a_terminate_end_event() -> None:
    """A terminate end event is one."""
    found = only(element("endEvent", "x", "<bpmn:terminateEventDefinition/>"))
    assert isinstance(found.event, TerminateEvent)


def test_a_link_leads_to_its_catch_event() -> None:
    """Several throws lead to the one catch event of their name, each within its scope."""
    found = one(
        element("intermediateThrowEvent", "x", '<bpmn:linkEventDefinition name="A"/>'),
        element("intermediateThrowEvent", "y", '<bpmn:linkEventDefinition name="A"/>'),
        catch('<bpmn:linkEventDefinition name="A"/>', "c"),
        bpmn.sub_process(
            "sub",
            element("startEvent", "s"),
            catch('<bpmn:linkEventDefinition name="A"/>', "inner"),
        ),
    )
    assert isinstance(found.elements["x"].event, LinkEvent)
    assert found.elements["x"].link_target is found.elements["c"]
    assert found.elements["y"].link_target is found.elements["c"]


def test_sub_processes_have_scopes_and_starts() -> None:
    """Elements know the scope that they stand in, and a sub-process its start event."""
    inner = bpmn.sub_process("inner", element("startEvent", "t"), job("b"), flow("t", "b"))
    found = one(bpmn.sub_process("x", element("startEvent", "s"), job("a"), inner, chain("s", "a", "inner")))
    outer = found.elements["x"]
    assert outer.start is found.elements["s"]
    assert [found.elements[id].scope for id in ("a", "inner")] == [outer, outer]
    assert found.elements["b"].scope is found.elements["inner"]
    assert list(found.elements) == ["p", "start", "x", "s", "a", "inner", "t", "b"]


@pytest.mark.parametrize(
    ("definition", "interrupting"),
    [
        (bpmn.timer("duration", "PT1S"), "true"),
        (bpmn.timer("cycle", "R/PT1S"), "false"),
        (bpmn.on_message("Message"), "true"),
        (bpmn.on_message("Message"), "false"),
        (bpmn.on_error("Error"), "true"),
        (bpmn.on_error(), "true"),
    ],
    ids=["timer", "cycle", "message", "non-interrupting message", "error", "all errors"],
)
def test_event_sub_processes(definition: str, interrupting: str) -> None:
    """A scope knows its event sub-processes, and each of them its start event."""
    start = element("startEvent", "s", definition, isInterrupting=interrupting)
    found = one(bpmn.event_sub_process("x", start), shared=MESSAGE + ERROR)
    assert found.root.event_sub_processes == [found.elements["x"]]
    assert found.elements["x"].start is found.elements["s"]
    assert found.elements["s"].interrupting is (interrupting == "true")
    assert found.root.start is found.elements["start"]


def test_an_event_sub_process_within_a_sub_process() -> None:
    """An event sub-process belongs to the scope that it stands in."""
    inner = bpmn.event_sub_process("x", element("startEvent", "s", bpmn.on_error()))
    found = one(bpmn.sub_process("sub", element("startEvent", "t"), inner))
    assert found.elements["sub"].event_sub_processes == [found.elements["x"]]
    assert found.root.event_sub_processes == []


def test_catch_events_of_one_kind_in_different_places() -> None:
    """The same code, message and link may be used again where the first does not reach."""
    message_at = [bpmn.boundary(f"m{id}", id, bpmn.on_message("Message")) for id in ("a", "b")]
    error_at = [bpmn.boundary(f"e{id}", id, bpmn.on_error("Error")) for id in ("a", "b")]
    all_at = [bpmn.boundary(f"all{id}", id, bpmn.on_error()) for id in ("a", "b")]
    ids = ["ma", "mb", "ea", "eb", "alla", "allb"]
    found = one(
        job("a"),
        job("b"),
        END,
        *message_at,
        *error_at,
        *all_at,
        *(flow(id, "end") for id in ids),
        shared=MESSAGE + ERROR,
    )
    assert [event.id for event in found.elements["b"].boundary_events] == ["mb", "eb", "allb"]


def test_an_event_based_gateway() -> None:
    """Timers and messages may follow an event-based gateway."""
    found = one(
        element("eventBasedGateway", "x"),
        catch(bpmn.on_message("Message"), "m"),
        catch(bpmn.timer("duration", "PT1S"), "t"),
        flow("start", "x"),
        flow("x", "m"),
        flow("x", "t"),
        shared=MESSAGE,
    )
    assert [leaving.target.id for leaving in found.elements["x"].outgoing] == ["m", "t"]


@pytest.mark.parametrize(
    "parts",
    [
        element("exclusiveGateway", "x") + END + flow("start", "x") + flow("x", "end"),
        element("inclusiveGateway", "x") + END + flow("start", "x") + flow("x", "end"),
        element("exclusiveGateway", "x") + END + flow("start", "x") + flow("x", "end", "=a"),
        element("inclusiveGateway", "x", default_="x-end")
        + END
        + job("a")
        + flow("start", "x")
        + flow("x", "end", "=a")
        + flow("x", "a", "=b"),
    ],
    ids=["exclusive, one way", "inclusive, one way", "one condition", "default with a condition"],
)
def test_gateways_with_few_conditions(parts: str) -> None:
    """One way needs no condition, and a default flow may have one."""
    assert only(parts).outgoing


def test_an_activity_may_name_a_default_flow() -> None:
    """A default flow of a task leaves it as any flow does: there is nothing to decide."""
    found = only(element("task", "x", default_="x-end"), END, chain("start", "x", "end"))
    assert (found.default_flow, len(found.outgoing)) == (None, 1)


@pytest.mark.parametrize(
    "parts",
    [
        job("a") + chain("start", "a") + flow("a", "a"),
        element("exclusiveGateway", "x", default_="x-a")
        + element("manualTask", "a")
        + END
        + chain("start", "a", "x")
        + flow("x", "end", "=done")
        + flow("x", "a"),
        element("task", "a") + catch(bpmn.timer("duration", "PT1S")) + chain("start", "a", "x", "a"),
        element("parallelGateway", "a") + element("task", "b") + chain("start", "a", "b", "a"),
    ],
    ids=["a job", "a decision", "a timer", "a join"],
)
def test_loops_that_wait_or_have_a_way_out(parts: str) -> None:
    """A loop is fine where a token waits in it, or may leave it."""
    assert one(parts).elements


def test_elements_that_are_never_reached() -> None:
    """A task without an incoming flow is allowed; it is never reached."""
    assert only(job("x")).incoming == []


def test_drawings_change_nothing() -> None:
    """Lanes, data, annotations, groups, message flows and pools are drawn, and not executed."""
    drawn = (
        '<bpmn:documentation>About it</bpmn:documentation><bpmn:laneSet id="l"><bpmn:lane id="lane">'
        "<bpmn:flowNodeRef>x</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>"
        '<bpmn:dataObject id="o"/><bpmn:dataObjectReference id="r" dataObjectRef="o"/>'
        '<bpmn:dataStoreReference id="store"/><bpmn:group id="g" categoryValueRef="c"/>'
        '<bpmn:textAnnotation id="note"><bpmn:text>note</bpmn:text></bpmn:textAnnotation>'
        '<bpmn:association id="as" sourceRef="x" targetRef="note"/>'
    )
    task = job(
        "x",
        "<bpmn:incoming>start-x</bpmn:incoming><bpmn:property id='prop'/>"
        "<bpmn:dataInputAssociation id='in'><bpmn:sourceRef>r</bpmn:sourceRef></bpmn:dataInputAssociation>"
        "<bpmn:ioSpecification id='io'/>",
    )
    pools = (
        '<bpmn:collaboration id="c1"><bpmn:participant id="pool" processRef="p"/>'
        '<bpmn:participant id="black"/>'
        '<bpmn:messageFlow id="mf" sourceRef="x" targetRef="black"/></bpmn:collaboration>'
        '<bpmn:category id="cat"/><bpmn:signal id="unused" name="s"/><bpmn:escalation id="also"/>'
    )
    found = one(drawn, task, flow("start", "x"), shared=pools)
    assert list(found.elements) == ["p", "start", "x"]


def test_extension_elements_of_other_programs_change_nothing() -> None:
    """Properties, forms, version tags and other vendors' extensions are left to whoever reads them."""
    inert = (
        '<zeebe:properties><zeebe:property name="a" value="b"/></zeebe:properties>'
        '<camunda:connector xmlns:camunda="http://camunda.org/schema/1.0/bpmn"/>'
    )
    on_process = (
        '<bpmn:extensionElements><zeebe:userTaskForm id="form">{}</zeebe:userTaskForm>'
        '<zeebe:versionTag value="1"/></bpmn:extensionElements>'
    )
    found = only(on_process, job("x", extensions=inert), element("exclusiveGateway", "g", extensions=inert))
    assert found.job is not None


def test_each_executable_process_of_a_file_is_read() -> None:
    """Several processes are read in order; one that is not executable is a drawing, whatever it holds."""
    drawing = '<bpmn:process id="drawn"><bpmn:transaction id="t"/><bpmn:serviceTask id="s"/></bpmn:process>'
    other = '<bpmn:process id="q" isExecutable="1"><bpmn:startEvent id="q-start"/></bpmn:process>'
    found = read(definitions(process("p", START), drawing, other))
    assert [each.id for each in found] == ["p", "q"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + definitions(process("p", START)),
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- <!DOCTYPE x> -->\n' + definitions(process("p", START)),
        definitions(process("p", START)).replace(b"bpmn:", b"").replace(b":bpmn=", b"="),
        definitions(process("p", START)).replace(b"bpmn:", b"b2:").replace(b":bpmn=", b":b2="),
        definitions(process("p", START)).replace(
            b"></bpmn:definitions>",
            b">\n</bpmn:definitions>\n<!-- end -->\n",
        ),
    ],
    ids=["byte order mark", "comments", "default namespace", "other prefix", "something behind"],
)
def test_ways_to_write_xml(content: bytes) -> None:
    """Diagrams are understood by namespaces, not by prefixes, with what XML allows around them."""
    (found,) = read(content)
    assert found.root.start is not None


def test_sub_processes_may_be_nested_deeply() -> None:
    """A hundred sub-processes within each other are read."""
    inner = ""
    for depth in range(DEEPEST):
        inner = bpmn.sub_process(f"x{depth}", element("startEvent", f"s{depth}"), inner)
    assert len(one(inner).elements) == 2 + 2 * DEEPEST
