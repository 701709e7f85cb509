"""Diagrams that no engine could run: each rule with the element that breaks it, and what is said about it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_engine.diagram.model import Process
from local_engine.diagram.reader import DEEPEST, read
from local_engine.diagram.report import LONGEST, MOST
from local_engine.errors import DiagramError
from tests.local_engine import bpmn
from tests.local_engine.bpmn import END, START, chain, definitions, element, flow, job, process
from tests.local_engine.refusals import (
    ON_ERROR,
    ON_MESSAGE,
    SECOND,
    SHARED,
    attached,
    case,
    catch,
    check,
    end,
    event,
    event_sub,
    extended,
    link,
    problems_of,
    repeated,
    start,
    throw,
)

INPUT = bpmn.mappings({"a": "=1"})
OUTPUT = bpmn.mappings((), {"a": "=1"})
GATEWAY = element("eventBasedGateway", "x") + flow("start", "x")
EXCLUSIVE = element("exclusiveGateway", "x") + job("a") + job("b") + flow("start", "x")
INCLUSIVE = element("inclusiveGateway", "x") + job("a") + job("b") + flow("start", "x")


def user_task(extensions: str) -> str:
    """Return a user task with these extension elements."""
    return extended("userTask", extensions)


def definition(text: str = "", **attributes: str) -> str:
    """Return a service task whose task definition has these attributes, and what else there is."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return extended("serviceTask", f"<zeebe:taskDefinition{given}/>{text}")


def headers(*given: str) -> str:
    """Return the task headers of these elements."""
    return f"<zeebe:taskHeaders>{''.join(given)}</zeebe:taskHeaders>"


def script(attributes: str, more: str = "") -> str:
    """Return a script task with these attributes of its script."""
    return extended("scriptTask", f"<zeebe:script {attributes}/>{more}")


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no task definition", "x", "no job type", element("serviceTask", "x")),
        case("Camunda 7", "x", "no job type", element("serviceTask", "x", implementation="class")),
        case("send task", "x", "no job type", element("sendTask", "x")),
        case("business rule task", "x", "no job type", element("businessRuleTask", "x")),
        case("script task", "x", "or a zeebe:script", element("scriptTask", "x")),
        case("message throw", "x", "no job type", throw(ON_MESSAGE)),
        case("message end", "x", "no job type", end(ON_MESSAGE)),
        case("type left out", "x", "job type is empty", definition()),
        case("empty type", "x", "job type is empty", definition(type=" ")),
        case("type that is no FEEL", "x", "the job type is no FEEL: '1 +'", definition(type="=1 +")),
        case("retries that are no number", "x", "retries are 'three'", definition(type="t", retries="three")),
        case("broken number", "x", "retries are '2.5'", definition(type="t", retries="2.5")),
        case("negative retries", "x", "retries are '-1'", definition(type="t", retries="-1")),
        case("empty retries", "x", "retries are ''", definition(type="t", retries="")),
        case("retries that are no FEEL", "x", "retries is no FEEL", definition(type="t", retries="=(")),
        case("two task definitions", "x", "twice", definition('<zeebe:taskDefinition type="u"/>', type="t")),
        case("two lists of mappings", "x", "twice", definition(INPUT + INPUT, type="t")),
        case(
            "header without a key",
            "x",
            "no key",
            definition(headers('<zeebe:header value="1"/>'), type="t"),
        ),
        case(
            "header twice",
            "x",
            "header 'a' stands there twice",
            definition(headers('<zeebe:header key="a" value="1"/>' * 2), type="t"),
        ),
        case(
            "script and job",
            "x",
            "both",
            script('expression="=1" resultVariable="r"', '<zeebe:taskDefinition type="t"/>'),
        ),
        case("script without FEEL", "x", "'1 + 1'", script('expression="1 + 1" resultVariable="r"')),
        case("empty script", "x", "it is empty", script('resultVariable="r"')),
        case("wrong script", "x", "the script is no FEEL", script('expression="=1 +" resultVariable="r"')),
        case("script without a result", "x", "no result variable", script('expression="=1"')),
        case(
            "result that is no name",
            "x",
            "'a-b' is no name",
            script('expression="=1" resultVariable="a-b"'),
        ),
        case("call of nothing", "x", "calls no process", element("callActivity", "x")),
        case("call of an empty id", "x", "called process is empty", bpmn.call("x", " ")),
        case("call that is no FEEL", "x", "called process is no FEEL", bpmn.call("x", "=")),
        case("flag that is none", "x", "'maybe'", bpmn.call("x", "q", propagateAllChildVariables="maybe")),
        case("due date", "x", "dueDate is wrong", user_task('<zeebe:taskSchedule dueDate="tomorrow"/>')),
        case("follow-up date", "x", "followUpDate", user_task('<zeebe:taskSchedule followUpDate="P1D"/>')),
        case(
            "assignee",
            "x",
            "assignee is no FEEL",
            user_task('<zeebe:assignmentDefinition assignee="=)"/>'),
        ),
        case("priority", "x", "priority is '101'", user_task('<zeebe:priorityDefinition priority="101"/>')),
    ],
)
def test_jobs_scripts_and_calls(content: bytes, element_id: str, words: str) -> None:
    """What is done at a task must be said, once and so that it can be read."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no target", "x", "input mapping '' has no usable target", job("x", inputs={"": "=1"})),
        case("empty part", "x", "'a..b'", job("x", inputs={"a..b": "=1"})),
        case("dot at the end", "x", "'a.'", job("x", outputs={"a.": "=1"})),
        case("hyphen", "x", "output mapping 'my-name'", job("x", outputs={"my-name": "=1"})),
        case("digit first", "x", "'1st'", job("x", inputs={"1st": "=1"})),
        case("white space", "x", "'a b'", job("x", inputs={"a b": "=1"})),
        case("keyword", "x", "'null'", job("x", inputs={"null": "=1"})),
        case("expression", "x", "'=a'", job("x", inputs={"=a": "=1"})),
        case(
            "source that is no FEEL",
            "x",
            "input mapping 'a' is no FEEL: '1 +'",
            job("x", inputs={"a": "=1 +"}),
        ),
        case("source without FEEL", "x", "is no FEEL", job("x", inputs={"a": "="})),
        case(
            "something else",
            "x",
            "'property'",
            job("x", extensions="<zeebe:ioMapping><zeebe:property/></zeebe:ioMapping>"),
        ),
        case("input of a start event", "x", "no input mappings", extended("startEvent", INPUT), start=""),
        case(
            "input of a boundary event",
            "x",
            "no input mappings",
            job("a"),
            END,
            extended("boundaryEvent", INPUT, SECOND, attachedToRef="a"),
            flow("x", "end"),
        ),
        case("output of an error end", "x", "no output mappings", extended("endEvent", OUTPUT, ON_ERROR)),
        case("output of a terminate end", "x", "no output", extended("endEvent", OUTPUT, event("terminate"))),
        case(
            "input behind an event-based gateway",
            "t",
            "no input mappings",
            GATEWAY,
            extended("intermediateCatchEvent", INPUT, SECOND, id="t"),
            catch(SECOND, "u"),
            flow("x", "t"),
            flow("x", "u"),
        ),
    ],
)
def test_mappings(content: bytes, element_id: str, words: str) -> None:
    """A mapping leads to a variable or into one, from text or FEEL, and stands where it is applied."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case(
            "no characteristics",
            "x",
            "no input collection",
            job("x", "<bpmn:multiInstanceLoopCharacteristics/>"),
        ),
        case("no collection", "x", "no input collection", repeated(inputElement="i")),
        case("empty collection", "x", "no input collection", repeated(inputCollection=" ")),
        case("static collection", "x", "input collection must be", repeated(inputCollection="items")),
        case("wrong collection", "x", "input collection is no FEEL", repeated(inputCollection="=[")),
        case(
            "only an output element",
            "x",
            "only one of",
            repeated(inputCollection="=a", outputElement="=r"),
        ),
        case(
            "only an output collection",
            "x",
            "only one of",
            repeated(inputCollection="=a", outputCollection="r"),
        ),
        case(
            "static output element",
            "x",
            "output element must be",
            repeated(inputCollection="=a", outputCollection="all", outputElement="r"),
        ),
        case(
            "output collection that is no name",
            "x",
            "'all.of' is no name",
            repeated(inputCollection="=a", outputCollection="all.of", outputElement="=r"),
        ),
        case(
            "item that is no name",
            "x",
            "'=i' is no name",
            repeated(inputCollection="=a", inputElement="=i"),
        ),
        case(
            "static condition",
            "x",
            "completion condition must be",
            repeated("<bpmn:completionCondition>done</bpmn:completionCondition>", inputCollection="=a"),
        ),
        case(
            "wrong condition",
            "x",
            "completion condition is no FEEL",
            repeated("<bpmn:completionCondition>=1 +</bpmn:completionCondition>", inputCollection="=a"),
        ),
        case(
            "sequential or not",
            "x",
            "isSequential",
            repeated(loop=' isSequential="so"', inputCollection="=a"),
        ),
    ],
)
def test_multi_instance(content: bytes, element_id: str, words: str) -> None:
    """A multi-instance activity needs a collection, and both or none of what it collects."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("none catch", "x", "no event definition", catch()),
        case("none boundary", "x", "no event definition", attached("")),
        case("none start of an event sub-process", "x", "no event definition", event_sub("")),
        case("error catch", "x", "an error definition", catch(ON_ERROR)),
        case("terminate catch", "x", "a terminate definition", catch(event("terminate"))),
        case("timer throw", "x", "a timer definition", throw(SECOND)),
        case("error throw", "x", "an error definition", throw(ON_ERROR)),
        case("terminate throw", "x", "a terminate definition", throw(event("terminate"))),
        case("timer end", "x", "a timer definition", end(SECOND)),
        case("link end", "x", "a link definition", end(link("A"))),
        case("link boundary", "x", "a link definition", attached(link("A"))),
        case("link start", "x", "a link definition", start(link("A")), start=""),
        case("error start of a process", "x", "start event of a process", start(ON_ERROR), start=""),
        case("terminate start", "x", "a terminate definition", start(event("terminate")), start=""),
        case(
            "timer start of a sub-process",
            "x",
            "start event of a sub-process",
            bpmn.sub_process("s", start(SECOND)),
        ),
        case("message start of a sub-process", "x", "sub-process", bpmn.sub_process("s", start(ON_MESSAGE))),
        case("error start of a sub-process", "x", "sub-process", bpmn.sub_process("s", start(ON_ERROR))),
        case("link start of an event sub-process", "x", "a link definition", event_sub(link("A"))),
    ],
)
def test_events_in_the_wrong_place(content: bytes, element_id: str, words: str) -> None:
    """An event stands only where its kind is possible, and the sentence says which kinds are."""
    check(content, element_id, words)
    assert "possible: " in problems_of(content)[0]


CYCLE = bpmn.timer("cycle", "R3/PT1S")


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no timer", "x", "one of timeDate", catch(event("timer"))),
        case("empty timer", "x", "one of timeDate", catch(bpmn.timer("duration", " "))),
        case(
            "two timers",
            "x",
            "one of timeDate",
            catch(SECOND.replace("</bpmn:timerE", "<bpmn:timeDate>=d</bpmn:timeDate></bpmn:timerE")),
        ),
        case("catch with a cycle", "x", "cannot have a timeCycle", catch(CYCLE)),
        case("interrupting boundary with a cycle", "x", "interrupting boundary event", attached(CYCLE)),
        case("cycle in FEEL", "x", "cannot have a timeCycle", attached(bpmn.timer("cycle", "=c"))),
        case("interrupting start with a cycle", "x", "interrupting start event", event_sub(CYCLE)),
        case("process start with a duration", "x", "cannot have a timeDuration", start(SECOND), start=""),
        case("duration that is none", "x", "'10 seconds'", catch(bpmn.timer("duration", "10 seconds"))),
        case(
            "duration that is a date",
            "x",
            "duration",
            catch(bpmn.timer("duration", "2027-01-01T00:00:00Z")),
        ),
        case("empty duration", "x", "'P'", catch(bpmn.timer("duration", "P"))),
        case("endless digits", "x", "timeDuration", catch(bpmn.timer("duration", f"P{'9' * 5000}D"))),
        case("endless seconds", "x", "timeDuration", catch(bpmn.timer("duration", f"PT{'9' * 400}S"))),
        case("date that is none", "x", "'soon'", catch(bpmn.timer("date", "soon"))),
        case(
            "day that is none",
            "x",
            "'2027-02-30T00:00:00Z'",
            catch(bpmn.timer("date", "2027-02-30T00:00:00Z")),
        ),
        case("zone that is none", "x", "timeDate", catch(bpmn.timer("date", "2027-01-01T00:00:00[America]"))),
        case("cycle that is none", "x", "'PT1S'", start(bpmn.timer("cycle", "PT1S")), start=""),
        case("cycle without a pause", "x", "without a pause", start(bpmn.timer("cycle", "R/PT0S")), start=""),
        case("date of a start", "x", "date-time", start(bpmn.timer("date", "2027")), start=""),
        case(
            "timer that is no FEEL",
            "x",
            "its timeDuration is no FEEL",
            catch(bpmn.timer("duration", "=1 +")),
        ),
    ],
)
def test_timers(content: bytes, element_id: str, words: str) -> None:
    """A timer has one schedule, of a kind that fits its place, and static ones are read at once."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no message", "x", "refers to no message", catch(event("message"))),
        case("receive task without a message", "x", "refers to no message", element("receiveTask", "x")),
        case("unknown message", "x", "'Gone' does not exist", catch(bpmn.on_message("Gone"))),
        case("unknown thrown message", "x", "'Gone'", job("x", bpmn.on_message("Gone"), kind="endEvent")),
        case("unknown start message", "x", "'Gone'", start(bpmn.on_message("Gone")), start=""),
        case("no name", "x", "'Nameless' has no name", catch(bpmn.on_message("Nameless"))),
        case(
            "no name of a start",
            "x",
            "'Nameless' has no name",
            start(bpmn.on_message("Nameless")),
            start="",
        ),
        case("no key", "x", "no correlation key", catch(bpmn.on_message("Keyless"))),
        case("receive task without a key", "x", "no corr", element("receiveTask", "x", messageRef="Keyless")),
        case("boundary without a key", "x", "no correlation key", attached(bpmn.on_message("Keyless"))),
        case(
            "event sub-process without a key",
            "x",
            "no correlation key",
            event_sub(bpmn.on_message("Keyless")),
        ),
        case("static key", "x", "'order'", catch(ON_MESSAGE), shared=bpmn.message("Message", "m", "order")),
        case(
            "key that is no FEEL",
            "x",
            "correlation key of its message 'm' is no FEEL",
            catch(ON_MESSAGE),
            shared=bpmn.message("Message", "m", "=1 +"),
        ),
        case(
            "name that is no FEEL",
            "x",
            "name of its message is no FEEL",
            catch(ON_MESSAGE),
            shared=bpmn.message("Message", "=1 +", "=k"),
        ),
        case(
            "two starts of one name",
            "x",
            "message 'paid', and so does 'm'",
            start(ON_MESSAGE, "m"),
            start(bpmn.on_message("Same")),
        ),
        case(
            "two boundary events of one name",
            "x",
            "message 'paid', and so does 'm'",
            attached(ON_MESSAGE, "m"),
            bpmn.boundary("x", "a", bpmn.on_message("Same"), interrupting=False),
            flow("x", "after"),
        ),
        case(
            "a receive task and its boundary event",
            "x",
            "message 'paid', and so does 'r'",
            element("receiveTask", "r", messageRef="Message"),
            bpmn.boundary("x", "r", bpmn.on_message("Same")),
            END,
            flow("x", "end"),
        ),
        case(
            "two event sub-processes of one name",
            "x",
            "message 'paid', and so does 'm'",
            event_sub(ON_MESSAGE, "one", "m"),
            event_sub(bpmn.on_message("Same")),
        ),
        case(
            "two events of one name behind a gateway",
            "n",
            "message 'paid', and so does 'm'",
            GATEWAY,
            catch(ON_MESSAGE, "m"),
            catch(bpmn.on_message("Same"), "n"),
            flow("x", "m"),
            flow("x", "n"),
        ),
    ],
)
def test_messages(content: bytes, element_id: str, words: str) -> None:
    """A message that is waited for has a name of its own in its place, and a key by which it is found."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("end event without an error", "x", "throws no error", end(event("error"))),
        case("unknown error", "x", "'Gone' does not exist", end(bpmn.on_error("Gone"))),
        case("unknown caught error", "x", "'Gone' does not exist", attached(bpmn.on_error("Gone"))),
        case("thrown without a code", "x", "'Codeless' has no code", end(bpmn.on_error("Codeless"))),
        case("caught without a code", "x", "'Codeless' has no code", attached(bpmn.on_error("Codeless"))),
        case("caught in FEEL", "x", "'=code'", attached(bpmn.on_error("Computed"))),
        case("caught in FEEL by a sub-process", "x", "'=code'", event_sub(bpmn.on_error("Computed"))),
        case(
            "thrown code that is no FEEL",
            "x",
            "code of its error is no FEEL",
            end(ON_ERROR),
            shared=bpmn.error("Error", "=1 +"),
        ),
        case(
            "non-interrupting boundary",
            "x",
            "must be interrupting",
            attached(ON_ERROR, interrupting=False),
        ),
        case(
            "non-interrupting start",
            "x",
            "must be interrupting",
            event_sub(ON_ERROR, interrupting="false"),
        ),
        case(
            "two boundary events of one code",
            "x",
            "error code 'broken', and so does 'e'",
            attached(ON_ERROR, "e"),
            bpmn.boundary("x", "a", bpmn.on_error("Twin")),
            flow("x", "after"),
        ),
        case(
            "two boundary events for all errors",
            "x",
            "all errors, and so does 'e'",
            attached(bpmn.on_error(), "e"),
            bpmn.boundary("x", "a", bpmn.on_error()),
            flow("x", "after"),
        ),
        case(
            "two event sub-processes of one code",
            "x",
            "error code 'broken', and so does 'e'",
            event_sub(ON_ERROR, "one", "e"),
            event_sub(bpmn.on_error("Twin")),
        ),
        case(
            "two event sub-processes for all errors",
            "x",
            "all errors, and so does 'e'",
            event_sub(bpmn.on_error(), "one", "e"),
            event_sub(bpmn.on_error()),
        ),
    ],
)
def test_errors(content: bytes, element_id: str, words: str) -> None:
    """A thrown error has a code, and in each place one event at most catches a code, and one all of them."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no name", "x", "link has no name", throw(event("link"))),
        case("no catch", "x", "link 'A' has no catch event", throw(link("A"))),
        case(
            "catch in another scope",
            "x",
            "in the same scope",
            throw(link("A")),
            bpmn.sub_process("s", start(id="i"), catch(link("A"), "c")),
        ),
        case("two catches", "x", "link 'A', and so does 'c'", catch(link("A"), "c"), catch(link("A"))),
        case(
            "flow out of a throw",
            "x",
            "remove 'x-end'",
            throw(link("A")),
            catch(link("A"), "c"),
            END,
            flow("x", "end"),
        ),
        case("flow into a catch", "x", "remove 'start-x'", catch(link("A")), flow("start", "x")),
    ],
)
def test_links(content: bytes, element_id: str, words: str) -> None:
    """A link leads from a throw without a way out to the one catch of its name, in the same scope."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case(
            "into a start event",
            "start",
            "no incoming sequence flow; remove 'a-start'",
            job("a"),
            flow("a", "start"),
        ),
        case(
            "into a start within",
            "i",
            "no incoming",
            bpmn.sub_process("s", start(id="i"), job("a"), flow("a", "i")),
        ),
        case(
            "out of an end event",
            "end",
            "no outgoing sequence flow; remove 'end-a'",
            END,
            job("a"),
            flow("end", "a"),
        ),
        case("into a boundary event", "x", "no incoming", attached(SECOND), flow("start", "x")),
        case("into an event sub-process", "es", "no incoming", event_sub(SECOND), flow("start", "es")),
        case("out of an event sub-process", "es", "no outgoing", event_sub(SECOND), END, flow("es", "end")),
        case("no source", "f", "no sourceRef", END, '<bpmn:sequenceFlow id="f" targetRef="end"/>'),
        case("no target", "f", "no targetRef", '<bpmn:sequenceFlow id="f" sourceRef="start"/>'),
        case("unknown source", "gone-end", "sourceRef 'gone'", END, flow("gone", "end")),
        case("unknown target", "start-gone", "targetRef 'gone'", flow("start", "gone")),
        case("to the process", "start-p", "targetRef 'p'", flow("start", "p")),
        case(
            "into a sub-process",
            "start-i",
            "another scope",
            bpmn.sub_process("s", start(id="i")),
            flow("start", "i"),
        ),
        case(
            "out of a sub-process",
            "i-a",
            "another scope",
            job("a"),
            bpmn.sub_process("s", start(id="i"), flow("i", "a")),
        ),
        case("condition of a task's flow", "start-a", "has a condition", job("a"), flow("start", "a", "=b")),
        case("static condition", "x-a", "put an equals sign", EXCLUSIVE, flow("x", "a", "b")),
        case("wrong condition", "x-a", "the condition is no FEEL: '1 +'", EXCLUSIVE, flow("x", "a", "=1 +")),
        case(
            "exclusive without a condition",
            "x-b",
            "without a condition",
            EXCLUSIVE,
            flow("x", "a", "=a"),
            flow("x", "b"),
        ),
        case(
            "inclusive without a condition",
            "x-b",
            "without a condition",
            INCLUSIVE,
            flow("x", "a", "=a"),
            flow("x", "b"),
        ),
        case(
            "empty condition",
            "x-b",
            "without a condition",
            EXCLUSIVE,
            flow("x", "a", "=a"),
            flow("x", "b", " "),
        ),
        case(
            "default flow of another",
            "x",
            "default flow 'start-a' does not leave it",
            element("task", "x", default_="start-a"),
            job("a"),
            flow("start", "a"),
        ),
        case("default flow that is none", "x", "'gone'", element("exclusiveGateway", "x", default_="gone")),
    ],
)
def test_sequence_flows(content: bytes, element_id: str, words: str) -> None:
    """A flow connects two elements of one scope, and its condition can be read where one is needed."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("attached to nothing", "x", "''", bpmn.boundary("x", "", SECOND), END, flow("x", "end")),
        case(
            "attached to what is not there",
            "x",
            "'gone'",
            bpmn.boundary("x", "gone", SECOND),
            END,
            flow("x", "end"),
        ),
        case(
            "attached to an event",
            "x",
            "cannot be attached to 'start'",
            bpmn.boundary("x", "start", SECOND),
            END,
            flow("x", "end"),
        ),
        case(
            "attached to a gateway",
            "x",
            "cannot be attached to 'g'",
            element("exclusiveGateway", "g"),
            bpmn.boundary("x", "g", SECOND),
            END,
            flow("x", "end"),
        ),
        case(
            "attached to an event sub-process",
            "x",
            "cannot be attached to 'es'",
            event_sub(SECOND, start_id="s"),
            bpmn.boundary("x", "es", SECOND),
            END,
            flow("x", "end"),
        ),
        case(
            "attached from another scope",
            "x",
            "in another scope",
            bpmn.sub_process("s", start(id="i"), job("a")),
            bpmn.boundary("x", "a", SECOND),
            END,
            flow("x", "end"),
        ),
        case("no way out", "x", "no sequence flow leaves", job("a"), bpmn.boundary("x", "a", SECOND)),
        case("interrupting or not", "x", "cancelActivity", attached(SECOND).replace('"true"', '"perhaps"')),
    ],
)
def test_boundary_events(content: bytes, element_id: str, words: str) -> None:
    """A boundary event is attached to an activity of its own scope, and leads somewhere."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("one way", "x", "at least two", GATEWAY, catch(SECOND, "t"), flow("x", "t")),
        case("no way", "x", "at least two", GATEWAY),
        case(
            "to a task",
            "x",
            "'a' is none",
            GATEWAY,
            catch(SECOND, "t"),
            job("a"),
            flow("x", "t"),
            flow("x", "a"),
        ),
        case(
            "to a receive task",
            "x",
            "'r' is none",
            GATEWAY,
            catch(SECOND, "t"),
            element("receiveTask", "r", messageRef="Message"),
            flow("x", "t"),
            flow("x", "r"),
        ),
        case(
            "to an end event",
            "x",
            "'end' is none",
            GATEWAY,
            catch(SECOND, "t"),
            END,
            flow("x", "t"),
            flow("x", "end"),
        ),
        case(
            "to an event with another way in",
            "t",
            "another incoming",
            GATEWAY,
            job("a"),
            catch(SECOND, "t"),
            catch(SECOND, "u"),
            flow("x", "t"),
            flow("x", "u"),
            flow("a", "t"),
        ),
    ],
)
def test_event_based_gateways(content: bytes, element_id: str, words: str) -> None:
    """An event-based gateway leads to two or more events that nothing else leads to."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("no start", "p", "no start event", END, start=""),
        case("two none starts", "x", "one none start event", start()),
        case("empty sub-process", "x", "it has 0", element("subProcess", "x")),
        case(
            "two starts of a sub-process",
            "x",
            "it has 2",
            bpmn.sub_process("x", start(id="i"), start(id="j")),
        ),
        case("event sub-process without a start", "x", "it has 0", bpmn.event_sub_process("x", END)),
        case(
            "event sub-process with two starts",
            "x",
            "it has 2",
            bpmn.event_sub_process("x", start(SECOND, "i"), start(SECOND, "j")),
        ),
        case(
            "triggered or not",
            "x",
            "triggeredByEvent",
            element("subProcess", "x", start(id="i"), triggeredByEvent="?"),
        ),
        case("no id", "p", "a bpmn:task in it has no id", "<bpmn:task/>"),
        case("empty id", "p", "a bpmn:endEvent in it has no id", '<bpmn:endEvent id=""/>'),
        case(
            "flow without an id",
            "p",
            "a bpmn:sequenceFlow",
            END,
            '<bpmn:sequenceFlow sourceRef="start" targetRef="end"/>',
        ),
        case("one id twice", "a", "used more than once", job("a"), job("a")),
        case("the process's id again", "p", "used more than once", job("p")),
        case(
            "id of a flow again",
            "start-a",
            "used more than once",
            job("a"),
            job("start-a"),
            flow("start", "a"),
        ),
        case("id of a message again", "Message", "used more than once", job("Message")),
        case(
            "id in a sub-process again",
            "a",
            "used more than once",
            job("a"),
            bpmn.sub_process("s", start(id="i"), job("a")),
        ),
        case(
            "endless loop",
            "a",
            "'a', 'b'",
            element("task", "a"),
            throw(id="b"),
            chain("start", "a", "b", "a"),
        ),
        case(
            "endless link",
            "a",
            "never waits",
            element("task", "a"),
            throw(link("L")),
            catch(link("L"), "c"),
            chain("start", "a", "x"),
            flow("c", "a"),
        ),
        case("endless script", "x", "never waits", bpmn.script("x", "=1", "r"), chain("start", "x", "x")),
        case(
            "endless gateway",
            "fork",
            "never waits",
            element("parallelGateway", "fork"),
            element("exclusiveGateway", "g"),
            END,
            chain("start", "g", "fork", "g"),
            flow("fork", "end"),
        ),
    ],
)
def test_processes_and_scopes(content: bytes, element_id: str, words: str) -> None:
    """Each process and sub-process has its start events, ids that are its own, and no loop without an end."""
    check(content, element_id, words)


def test_sub_processes_that_are_nested_too_deeply() -> None:
    """Beyond a hundred levels a sub-process is refused, whatever is within it."""
    inner = bpmn.sub_process("below", start(id="i"))
    inner = bpmn.sub_process("x", inner)
    for depth in range(DEEPEST):
        inner = bpmn.sub_process(f"x{depth}", start(id=f"s{depth}"), inner)
    problems = problems_of(definitions(process("p", START, inner)))
    assert "Element 'x': sub-processes are nested deeper than 100; use call activities." in problems


GOOD = definitions(process("p", START))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b" \n", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"\xff\xfe<\x00", "no UTF-8 text"),
        (GOOD.decode().encode("utf-16"), "no UTF-8 text"),
        (
            b'<?xml version="1.0" encoding="ISO-8859-1"?>' + GOOD.replace(b'id="p"', b'id="p" name="\xe4"'),
            "no UTF-8",
        ),
        (b"PK\x03\x04", "no XML"),
        (b"no XML at all", "no XML"),
        (GOOD[:-5], "no XML"),
        (GOOD.replace(b"<bpmn:process", b"<bpmn:process\x00"), "no XML"),
        (GOOD + GOOD, "no XML"),
        (b'{"type": "default", "components": []}', "no forms"),
        (b'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"/>', "DMN"),
        (b"<html/>", "no BPMN 2.0 diagram"),
        (b'<definitions xmlns="http://www.omg.org/spec/BPMN/20200000/MODEL"/>', "no BPMN 2.0 diagram"),
        (b"<!DOCTYPE x>" + GOOD, "DOCTYPE"),
        (b'<?xml version="1.0"?>\n<!-- x --><!DOCTYPE x [<!ENTITY a "b">]>' + GOOD, "DOCTYPE"),
        (b"<!-- never closed" + GOOD, "no XML"),
        (
            GOOD.replace(b'name="p"', b"").replace(b"<bpmn:startEvent", b'<bpmn:startEvent name="&a;"'),
            "no XML",
        ),
        (definitions(), "no executable process"),
        (GOOD.replace(b'"true"', b'"false"'), "no executable process"),
        (GOOD.replace(b' isExecutable="true"', b""), "no executable process"),
    ],
    ids=[
        "empty",
        "blank",
        "byte order mark",
        "bytes",
        "UTF-16",
        "Latin-1",
        "archive",
        "text",
        "cut off",
        "NUL",
        "two documents",
        "form",
        "decision",
        "page",
        "other version",
        "document type",
        "entities",
        "comment",
        "unknown entity",
        "no process",
        "not executable",
        "a drawing",
    ],
)
def test_files_that_are_no_diagrams(content: bytes, words: str) -> None:
    """A file that is no BPMN diagram to be executed is refused in one sentence."""
    (problem,) = problems_of(content)
    assert words in problem
    assert problem.startswith(("The file ", "The diagram "))
    assert problem.endswith(".")


def test_entities_are_never_expanded() -> None:
    """A file of nested entities is refused at once, before anything grows."""
    layers = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    bomb = f'<!DOCTYPE d [<!ENTITY e0 "x">{layers}]>'.encode() + GOOD.replace(b'id="d"', b'id="&e12;"')
    began = time.process_time()
    (problem,) = problems_of(bomb)
    assert "DOCTYPE" in problem
    assert time.process_time() - began < 1


def test_process_without_an_id() -> None:
    """A process without an id cannot be started, and is refused."""
    problems = problems_of(GOOD.replace(b' id="p"', b""))
    assert "Element 'process': the process has no id; give it one." in problems


def test_executable_or_not() -> None:
    """Whether a process is executable must be readable."""
    problems = problems_of(GOOD.replace(b'"true"', b'"yes"'))
    assert problems == ["Element 'p': the attribute isExecutable is 'yes'; write true or false."]


def test_all_problems_are_told_in_the_order_of_the_document() -> None:
    """One refusal tells everything that is wrong, each once, as it is met from the top of the file."""
    problems = problems_of(
        definitions(
            SHARED,
            process(
                "p",
                START,
                element("serviceTask", "z"),
                flow("start", "gone"),
                flow("start", "z", "=1 +"),
                end(event("signal"), "a"),
            ),
            process("q", element("serviceTask", "y")),
        )
    )
    told = [re.findall("'([^']*)'", problem)[0] for problem in problems]
    assert told == ["z", "start-gone", "start-z", "a", "q", "y"]


def test_one_problem_is_told_once() -> None:
    """A sentence that is true for two reasons stands there once."""
    header = '<zeebe:header value="1"/>'
    problems = problems_of(definitions(process("p", START, definition(headers(header, header), type="t"))))
    assert len(problems) == 1


def test_very_many_problems_are_counted() -> None:
    """No refusal is longer than an answer can hold: the rest is counted."""
    tasks = [element("serviceTask", f"x{number}") for number in range(MOST + 5)]
    problems = problems_of(definitions(process("p", START, *tasks)))
    assert len(problems) == MOST + 1
    assert problems[-1] == "There are 5 more problems; solve these first."


def test_long_and_many_lined_texts_are_cut() -> None:
    """What a sentence shows of the diagram stays on one line, and short."""
    (problem,) = problems_of(definitions(process("p", START, job("x", type="= 1 +\n" + "+ 1" * 1000))))
    assert problem.startswith("Element 'x': the job type is no FEEL: '1 + + 1+ 1+ 1")
    assert len(problem) < 300


def test_expressions_that_are_too_long() -> None:
    """An expression that would take too long to read is not read."""
    began = time.process_time()
    (problem,) = problems_of(definitions(process("p", START, job("x", type="=" + "1+" * LONGEST + "1"))))
    assert f"longer than {LONGEST} characters" in problem
    assert time.process_time() - began < 1


EVERYTHING = definitions(
    SHARED,
    process(
        "p",
        START,
        element("exclusiveGateway", "g", default_="g-end"),
        job(
            "j",
            bpmn.multi_instance("=items", "item", output=("all", "=r.x"), until="=done"),
            headers={"k": "v"},
        ),
        attached(SECOND, "timer"),
        bpmn.script("s", "=n + 1", "sum"),
        bpmn.call("c", "other", inputs={"a.b": "=1"}),
        user_task('<zeebe:assignmentDefinition candidateGroups="a,b"/><zeebe:taskSchedule dueDate="=d"/>'),
        element("receiveTask", "r", messageRef="Message"),
        bpmn.sub_process("sub", start(id="i"), event_sub(ON_ERROR, start_id="caught")),
        throw(link("L"), "lt"),
        catch(link("L"), "lc"),
        element("eventBasedGateway", "eg"),
        catch(bpmn.timer("date", "2027-01-01T00:00:00Z"), "t"),
        catch(ON_MESSAGE, "m"),
        END,
        flow("start", "g"),
        flow("g", "j", "=n > 1"),
        flow("g", "end"),
        chain("j", "s", "c", "x", "r", "sub", "eg", "t"),
        flow("eg", "m"),
    ),
)
PIECES = sorted({*re.findall(rb'"[^"]*"', EVERYTHING), *re.findall(rb"<[^>]*>", EVERYTHING)})
PLACES = [found.span() for found in re.finditer(rb'"[^"]*"|<[^>]*>', EVERYTHING)]
TEXTS = st.one_of(
    st.sampled_from(PIECES),
    st.sampled_from([b'"="', b'""', b'"=1 +"', b'"P9Y"', b'"&lt;"', b"<zeebe:x/>", b"</bpmn:process>"]),
    st.binary(max_size=20),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
)


def read_or_refuse(content: bytes) -> list[Process] | None:
    """Read a diagram; whatever is wrong with it must be told in one way."""
    try:
        return read(content)
    except DiagramError:
        return None


def test_the_diagram_that_is_broken_below_is_whole() -> None:
    """What the next test starts from can be deployed."""
    assert read(EVERYTHING)


@given(st.lists(st.tuples(st.sampled_from(PLACES), TEXTS), min_size=1, max_size=5))
def test_broken_diagrams_are_read_or_refused(changes: list[tuple[tuple[int, int], bytes]]) -> None:
    """A diagram with pieces replaced by any others is read, or refused in words."""
    content = EVERYTHING
    for (begin, finish), text in sorted(changes, reverse=True):
        content = content[:begin] + text + content[finish:]
    read_or_refuse(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    """Bytes that are no diagram are refused in words, whatever they are."""
    assert read_or_refuse(content) is None


@given(st.text(max_size=60))
def test_any_text_in_an_attribute(text: str) -> None:
    """Any text may stand where an expression, a name or a schedule is expected."""
    try:
        parts = (
            job("x", type=text, retries=text, inputs={text: text}, headers={text: text}),
            catch(bpmn.timer("date", text), "t"),
            catch(bpmn.timer("duration", text), "u"),
            attached(bpmn.timer("cycle", text), "b", interrupting=False),
            repeated(inputCollection="=a").replace('"x"', '"mi"'),
            bpmn.script("s", text, text),
            bpmn.call("c", text),
            catch(ON_MESSAGE, "m"),
        )
        content = definitions(bpmn.message("Message", text, text), process("p", START, *parts))
    except UnicodeEncodeError:
        return  # lone surrogates are in no file
    read_or_refuse(content)
