"""Diagrams with elements that this engine has not: each is refused by its id, and none is ignored."""

from __future__ import annotations

import pytest

from tests.local_engine import bpmn
from tests.local_engine.bpmn import END, START, chain, element, flow, job
from tests.local_engine.refusals import (
    SECOND,
    attached,
    case,
    catch,
    check,
    end,
    event,
    event_sub,
    extended,
    repeated,
    start,
    throw,
)

MAPPING = bpmn.mappings({"a": "=1"})
IN_PROCESS = "<bpmn:extensionElements>{}</bpmn:extensionElements>"


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case(
            "decision",
            "x",
            "no DMN",
            extended("businessRuleTask", '<zeebe:calledDecision decisionId="d"/>'),
        ),
        case("native user task", "x", "job worker", extended("userTask", "<zeebe:userTask/>")),
        case("linked form", "x", "form 'f'", extended("userTask", '<zeebe:formDefinition formId="f"/>')),
        case(
            "execution listener",
            "x",
            "execution listeners",
            job("x", extensions="<zeebe:executionListeners/>"),
        ),
        case(
            "gateway's listener",
            "x",
            "execution",
            extended("exclusiveGateway", "<zeebe:executionListeners/>"),
        ),
        case(
            "start's listener",
            "x",
            "execution",
            extended("startEvent", "<zeebe:executionListeners/>"),
            start="",
        ),
        case("process's listener", "p", "execution", IN_PROCESS.format("<zeebe:executionListeners/>")),
        case("task listener", "x", "task listeners", extended("userTask", "<zeebe:taskListeners/>")),
        case("linked resources", "x", "linked resources", job("x", extensions="<zeebe:linkedResources/>")),
        case("unknown extension", "x", "zeebe:teleport", job("x", extensions="<zeebe:teleport/>")),
        case("process's mapping", "p", "zeebe:ioMapping", IN_PROCESS.format(MAPPING)),
        case("gateway's mapping", "x", "zeebe:ioMapping", extended("parallelGateway", MAPPING)),
        case("job of a manual task", "x", "taskDefinition", job("x", kind="manualTask")),
        case("job of a user task", "x", "taskDefinition", job("x", kind="userTask")),
        case("job of a none end event", "x", "taskDefinition", job("x", kind="endEvent")),
        case("script of a service task", "x", "zeebe:script", job("x", extensions="<zeebe:script/>")),
        case(
            "call of a service task",
            "x",
            "zeebe:calledElement",
            job("x", extensions="<zeebe:calledElement/>"),
        ),
        case(
            "flow's mapping",
            "f",
            "zeebe:ioMapping",
            job("x"),
            f'<bpmn:sequenceFlow id="f" sourceRef="start" targetRef="x">{IN_PROCESS.format(MAPPING)}'
            "</bpmn:sequenceFlow>",
        ),
        case(
            "definition's extension",
            "x",
            "zeebe:taskDefinition",
            end(
                "<bpmn:terminateEventDefinition>"
                + IN_PROCESS.format('<zeebe:taskDefinition type="t"/>')
                + "</bpmn:terminateEventDefinition>"
            ),
        ),
        case(
            "message's extension",
            "x",
            "zeebe:teleport",
            catch(bpmn.on_message("M")),
            shared='<bpmn:message id="M" name="m"><bpmn:extensionElements><zeebe:teleport/>'
            '<zeebe:subscription correlationKey="=k"/></bpmn:extensionElements></bpmn:message>',
        ),
        case("extension in the open", "x", "'taskDefinition'", job("x", '<zeebe:taskDefinition type="t"/>')),
        case("binding to a deployment", "x", "'deployment'", bpmn.call("x", "q", bindingType="deployment")),
        case(
            "binding to a tag",
            "x",
            "'versionTag'",
            bpmn.call("x", "q", bindingType="versionTag", versionTag="1"),
        ),
    ],
)
def test_extension_elements(content: bytes, element_id: str, words: str) -> None:
    """Extension elements that would change what is executed are refused where they have no place."""
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("ad-hoc sub-process", "x", "ad-hoc", element("adHocSubProcess", "x", job("a"))),
        case("transaction", "x", "transactions", element("transaction", "x", start(id="s"))),
        case(
            "what connects to it",
            "x",
            "transactions",
            element("transaction", "x"),
            END,
            chain("start", "x", "end"),
        ),
        case(
            "what is attached to it",
            "t",
            "transactions",
            element("transaction", "t"),
            bpmn.boundary("x", "t", SECOND),
            END,
            flow("x", "end"),
        ),
        case("complex gateway", "x", "complex", element("complexGateway", "x"), chain("start", "x")),
        case("unknown element", "x", "'bpmn:quantumTask'", element("quantumTask", "x")),
        case("unknown child", "x", "'bpmn:surprise'", element("task", "x", "<bpmn:surprise/>")),
        case("element without a namespace", "x", "'serviceTask'", '<serviceTask id="x"/>'),
        case("loop marker", "x", "loop marker", job("x", "<bpmn:standardLoopCharacteristics/>")),
        case("compensation marker", "x", "compensation", element("task", "x", isForCompensation="true")),
        case("quantity", "x", "startQuantity", element("task", "x", startQuantity="2")),
        case("completion quantity", "x", "completionQuantity", element("task", "x", completionQuantity="2")),
        case(
            "instantiating receive task",
            "x",
            "message start",
            element("receiveTask", "x", messageRef="Message", instantiate="true"),
        ),
        case(
            "loop cardinality",
            "x",
            "loopCardinality",
            repeated("<bpmn:loopCardinality>3</bpmn:loopCardinality>", inputCollection="=a"),
        ),
        case(
            "multi-instance's events",
            "x",
            "behavior",
            repeated(loop=' behavior="None"', inputCollection="=a"),
        ),
        case(
            "multi-instance event sub-process",
            "es",
            "cannot be multi-instance",
            bpmn.event_sub_process("es", start(SECOND), bpmn.multi_instance("=a")),
        ),
        case(
            "joining inclusive gateway",
            "x",
            "joins several flows",
            element("inclusiveGateway", "x"),
            element("parallelGateway", "fork"),
            job("a"),
            job("b"),
            chain("start", "fork", "a", "x"),
            chain("fork", "b", "x"),
        ),
    ],
)
def test_elements(content: bytes, element_id: str, words: str) -> None:
    """Elements and markers outside the list are refused; what refers to them is no further problem."""
    check(content, element_id, words)


@pytest.mark.parametrize("kind", ["instantiate", "eventGatewayType"])
def test_event_based_gateways_that_start_processes(kind: str) -> None:
    """An event-based gateway starts no process, and does not wait for all of its events."""
    gateway = element("eventBasedGateway", "x", **{kind: "true" if kind == "instantiate" else "Parallel"})
    parts = (
        gateway,
        catch(SECOND, "t"),
        catch(SECOND, "u"),
        flow("start", "x"),
        flow("x", "t"),
        flow("x", "u"),
    )
    content, element_id, words = case("", "x", "event", *parts).values
    check(content, element_id, words)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("signal", "signal events are not supported"),
        ("escalation", "escalation events are not supported"),
        ("compensate", "compensation events are not supported"),
        ("conditional", "conditional events are not supported"),
        ("cancel", "cancel events are not supported"),
        ("magic", "a magic definition"),
    ],
    ids=["signal", "escalation", "compensation", "conditional", "cancel", "unknown"],
)
@pytest.mark.parametrize(
    "place",
    [
        lambda definition: START + start(definition),
        lambda definition: START + catch(definition),
        lambda definition: START + throw(definition),
        lambda definition: START + end(definition),
        lambda definition: START + attached(definition),
        lambda definition: START + event_sub(definition),
        lambda definition: START + bpmn.sub_process("sub", start(definition)),
    ],
    ids=["start", "catch", "throw", "end", "boundary", "event sub-process", "sub-process"],
)
def test_events(place: object, kind: str, words: str) -> None:
    """Events of kinds that the engine has not are refused wherever they stand."""
    assert callable(place)
    content, _, _ = case("", "x", words, place(event(kind)), start="").values
    check(content, "x", words)


@pytest.mark.parametrize(
    ("content", "element_id", "words"),
    [
        case("two definitions", "x", "one event definition", catch(SECOND + bpmn.on_message("Message"))),
        case("two of one kind", "x", "one event definition", catch(SECOND + SECOND)),
        case(
            "two of an end event",
            "x",
            "one event definition",
            end(event("terminate") + bpmn.on_error("Error")),
        ),
        case(
            "definition elsewhere",
            "x",
            "of its own",
            catch("<bpmn:eventDefinitionRef>d</bpmn:eventDefinitionRef>"),
        ),
        case("parallel multiple", "x", "parallel multiple", catch(SECOND, parallelMultiple="true")),
        case("cron start", "x", "cron", start(bpmn.timer("cycle", "0 0 9-17 * * MON-FRI")), start=""),
        case("cron boundary", "x", "cron", attached(bpmn.timer("cycle", "@daily"), interrupting=False)),
        case(
            "cron event sub-process",
            "x",
            "cron",
            event_sub(bpmn.timer("cycle", "@daily"), interrupting="false"),
        ),
    ],
)
def test_events_of_several_kinds(content: bytes, element_id: str, words: str) -> None:
    """An event has one definition, and a cycle is a repeating interval."""
    check(content, element_id, words)
