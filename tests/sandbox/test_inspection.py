"""What the page shows of a real engine, and does to it."""

from __future__ import annotations

from typing import Any

import pytest

from openai_connector.tools.sandbox import instance_view
from openai_connector.tools.sandbox.view import Filter, ViewError
from tests.local_engine import bpmn
from tests.sandbox.sandbox import Sandbox, sandbox

WORK = bpmn.definitions(
    bpmn.process("p", bpmn.START, bpmn.job("work"), bpmn.END, bpmn.chain("start", "work", "end"))
)
INPUT = bpmn.definitions(
    bpmn.process(
        "p",
        bpmn.START,
        bpmn.job("work", inputs={"given": "= 1"}),
        bpmn.END,
        bpmn.chain("start", "work", "end"),
    )
)


async def refused(call: Any, status: int, *words: str) -> None:
    """Check that a call is refused with this status, and a sentence that has these words."""
    with pytest.raises(ViewError) as refusal:
        await call
    assert refusal.value.status == status
    assert all(word in refusal.value.message for word in words), refusal.value.message
    assert "rejected with code" not in refusal.value.message


async def test_the_list_has_incidents_first_then_the_newest() -> None:
    """Instances at an incident come first, then the newest; counts and filters say what there is."""
    async with sandbox() as it:
        process = await it.deploy(WORK)
        done, troubled = await it.start(process), await it.start(process)
        await it.complete("work")
        await it.fail("work")
        running = await it.start(process)
        assert it.listed() == [str(troubled), str(running), str(done)]
        assert it.listed(show="incidents") == [str(troubled)]
        assert it.listed(show="active") == [str(troubled), str(running)]
        assert it.listed(show="ended") == [str(done)]
        assert it.listed(find=str(done)[-6:]) == [str(done)]
        assert it.listed(find="P", most=1) == [str(troubled)]
        assert it.listed(process="other") == it.listed(find="nothing") == []
        overview = it.view.overview(Filter(most=1))
        assert overview["counts"] == {"all": 3, "incidents": 1, "active": 2, "ended": 1}
        assert overview["more"] == 2
        assert overview["instances"][0]["at"] == ["work"]
        (listed,) = overview["processes"]
        assert (listed["id"], listed["name"], listed["version"], listed["resource"]) == (
            "p",
            "p",
            1,
            "0.bpmn",
        )
        assert (listed["latest"], listed["startable"], listed["active"], listed["incidents"]) == (
            True,
            True,
            2,
            1,
        )


async def test_the_version_changes_with_what_is_shown() -> None:
    """Each deployment and each step of an instance gives another version, and nothing else does."""
    async with sandbox() as it:
        versions = [it.view.version]
        process = await it.deploy(WORK)
        versions.append(it.view.version)
        await it.start(process)
        versions.append(it.view.version)
        await it.complete("work")
        versions += [it.view.version, it.view.version]
        assert len(set(versions)) == 4


async def test_an_incident_in_a_called_process_is_seen_from_above() -> None:
    """The instance whose called process stands at an incident is listed among those with one.

    And leads there.
    """
    called = '<zeebe:calledElement processId="p"/>'
    caller = bpmn.definitions(
        bpmn.process(
            "top",
            bpmn.START,
            bpmn.element("callActivity", "call", extensions=called),
            bpmn.chain("start", "call"),
        )
    )
    async with sandbox() as it:
        key = await it.start(await it.deploy(caller, WORK))
        await it.fail("work")
        assert str(key) in it.listed(show="incidents")
        shown = it.view.instance(key)
        assert shown["elements"]["call"]["below"]
        (child,) = shown["called"]
        assert child["incidents"] == 1
        below = it.view.instance(int(child["key"]))
        assert below["caller"] == {"key": str(key), "processId": "top"}
        await refused(it.view.cancel(int(child["key"])), 409, "A call activity")


async def test_a_standing_instance_in_full() -> None:
    """Where it stands, its incident in full, its job, and the variables of each scope are shown."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(INPUT), order={"lines": [1, 2]})
        message = "Temperature must be a number. " * 100
        await it.fail("work", message)
        shown = it.view.instance(key)
        (incident,) = shown["incidents"]
        assert incident["message"] == message
        assert incident["name"] == "work"
        assert incident["variables"] == ["openai_temperature"]
        assert incident["advice"]
        (job,) = shown["jobs"]
        assert (job["type"], job["retries"], job["state"], job["worker"]) == ("work", 0, "FAILED", "worker")
        scopes = {
            scope["name"]: {v["name"]: v["text"] for v in scope["variables"]} for scope in shown["scopes"]
        }
        assert scopes == {"Process": {"order": '{"lines":[1,2]}'}, "work": {"given": "1"}}
        assert incident["scope"] == shown["scopes"][1]["key"]
        counts = shown["elements"]["work"]
        assert [counts[name] for name in ("active", "completed", "terminated", "incidents")] == [1, 0, 0, 1]
        assert shown["flows"] == {"start-work": 1}


async def test_long_variables_are_sent_when_asked_for() -> None:
    """A long value is folded; the whole of it, and that of an ended instance, can be asked for."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(WORK), text="x" * 9_000)
        (variable,) = it.view.instance(key)["scopes"][0]["variables"]
        assert (len(variable["text"]), variable["size"], variable["folded"]) == (4_000, 9_002, True)
        whole = it.view.variable(key, key, "text")
        assert whole == '"' + "x" * 9_000 + '"'
        await it.complete("work")
        assert it.view.variable(key, key, "text") == whole
        with pytest.raises(ViewError, match="no variable"):
            it.view.variable(key, key, "other")


async def test_what_is_waited_for() -> None:
    """Timers with their time and messages with their key are shown where they are waited for."""
    duration = (
        "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>"
    )
    message = (
        '<bpmn:message id="m" name="paid"><bpmn:extensionElements><zeebe:subscription correlationKey="= '
        'order"/>'
        "</bpmn:extensionElements></bpmn:message>"
    )
    receive = bpmn.element("receiveTask", "wait", messageRef="m")
    late = bpmn.element("boundaryEvent", "late", duration, attachedToRef="wait")
    diagram = bpmn.definitions(
        message,
        bpmn.process(
            "p",
            bpmn.START,
            receive,
            late,
            bpmn.END,
            bpmn.chain("start", "wait", "end"),
            bpmn.flow("late", "end"),
        ),
    )
    async with sandbox() as it:
        key = await it.start(await it.deploy(diagram), order="A-1")
        waits = {wait["kind"]: wait for wait in it.view.instance(key)["waits"]}
        assert (waits["message"]["message"], waits["message"]["correlationKey"]) == ("paid", "A-1")
        now = it.server.engine.clock.now()
        assert waits["timer"]["due"] == pytest.approx(now + 3_600_000, abs=60_000)
        assert (waits["timer"]["element"], waits["timer"]["at"]) == ("late", "wait")
        await it.view.publish("paid", "A-1", '{"amount": 5}')
        await it.settled()
        assert it.past(key).state == "COMPLETED"
        assert it.past(key).variables["amount"] == ("5", False)


async def mended(it: Sandbox, key: int) -> None:
    """Set the variable that is missing at the incident, and retry it."""
    (incident,) = it.view.instance(key)["incidents"]
    await it.view.set_variables(int(incident["scope"]), '{"amount": 7}')
    await it.view.retry(int(incident["key"]))
    await it.settled()


async def test_an_expressions_incident_is_mended() -> None:
    """A variable that is set at the gateway is seen by its condition, and the instance goes on."""
    gateway = bpmn.element("exclusiveGateway", "g")
    diagram = bpmn.definitions(
        bpmn.process(
            "p",
            bpmn.START,
            gateway,
            bpmn.END,
            bpmn.chain("start", "g"),
            bpmn.flow("g", "end", "= amount > 5"),
        )
    )
    async with sandbox() as it:
        key = await it.start(await it.deploy(diagram))
        await mended(it, key)
        assert it.past(key).state == "COMPLETED"


async def test_a_jobs_incident_is_retried_with_one_retry() -> None:
    """A job without retries gets one, keeps its local variables, and is offered again."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(WORK))
        await it.fail("work")
        await mended(it, key)
        (job,) = it.view.instance(key)["jobs"]
        assert (job["retries"], job["state"]) == (1, "ACTIVATABLE")
        (scope,) = [scope for scope in it.view.instance(key)["scopes"] if scope["element"] == "work"]
        assert [variable["text"] for variable in scope["variables"]] == ["7"]
        (incident,) = it.view.instance(key)["incidents"]
        assert incident["resolved"]
        await refused(it.view.retry(int(incident["key"])), 404, "resolved already")


async def test_jobs_are_completed_by_hand() -> None:
    """A job that no worker takes can be completed with variables, once."""
    async with sandbox() as it:
        key = await it.start(await it.deploy(WORK))
        (job,) = it.view.instance(key)["jobs"]
        await refused(it.view.complete(int(job["key"]), "[1]"), 400, "ARRAY")
        await it.view.complete(int(job["key"]), '{"answer": 1}')
        await it.settled()
        assert it.past(key).variables == {"answer": ("1", False)}
        await refused(it.view.complete(int(job["key"]), "{}"), 404, "done already")


async def test_instances_are_started_and_cancelled() -> None:
    """An instance begins with its variables, whose numbers stay exact.

    And ends when it is cancelled, once.
    """
    async with sandbox() as it:
        process = await it.deploy(WORK)
        key = int((await it.view.start(process, '{"id": 12345678901234567890}'))["key"])
        assert it.view.instance(key)["scopes"][0]["variables"][0]["text"] == "12345678901234567890"
        await it.view.cancel(key)
        assert it.past(key).state == "TERMINATED"
        await refused(it.view.cancel(key), 404, "ended already")
        await refused(it.view.start(process, "[]"), 400, "ARRAY")
        await refused(it.view.start(process, '{"a": NaN}'), 400, "NaN")
        await refused(it.view.start(1, "{}"), 404, "no process")
        await refused(it.view.set_variables(key, "{}"), 404, "has ended")


async def test_diagrams_are_deployed_all_or_none() -> None:
    """Several diagrams go together, a wrong one names its element, and then none of them is deployed."""
    wrong = bpmn.definitions(
        bpmn.process("q", bpmn.START, bpmn.element("serviceTask", "lost"), bpmn.chain("start", "lost"))
    )
    async with sandbox() as it:
        await refused(it.view.deploy([("a.bpmn", WORK), ("b.bpmn", wrong)]), 400, "'b.bpmn'", "lost")
        assert it.view.overview(Filter())["processes"] == []
        await refused(it.view.deploy([("a.dmn", WORK)]), 400, ".bpmn")
        deployed = await it.view.deploy([("a.bpmn", WORK)])
        assert [(each["id"], each["version"]) for each in deployed["processes"]] == [("p", 1)]
        content, process_id = it.view.diagram(int(deployed["processes"][0]["key"]))
        assert (content, process_id) == (WORK, "p")
        with pytest.raises(ViewError, match="no process"):
            it.view.diagram(1)


async def test_processes_that_a_message_begins() -> None:
    """A process without a plain start is listed with the messages that begin it."""
    start = bpmn.element("startEvent", "start", '<bpmn:messageEventDefinition messageRef="m"/>')
    diagram = bpmn.definitions(
        '<bpmn:message id="m" name="ordered"/>',
        bpmn.process("p", start, bpmn.END, bpmn.chain("start", "end")),
    )
    async with sandbox() as it:
        process = await it.deploy(diagram)
        (listed,) = it.view.overview(Filter())["processes"]
        assert (listed["startable"], listed["messages"]) == (False, ["ordered"])
        await refused(it.view.start(process, "{}"), 409, "none start event")
        await it.view.publish("ordered", "", "{}")
        await it.settled()
        assert [past.state for past in it.history.instances.values()] == ["COMPLETED"]


async def test_a_process_shows_all_its_instances() -> None:
    """The tokens and incidents of all running instances are summed up at the process's elements."""
    async with sandbox() as it:
        process = await it.deploy(WORK)
        for _ in range(3):
            await it.start(process)
        await it.fail("work")
        await it.complete("work")
        assert it.view.process(process)["elements"] == {"work": {"active": 2, "incidents": 1}}


async def test_elements_know_what_they_stand_in() -> None:
    """For what is in no picture itself the page knows the sub-process around it."""
    inner = bpmn.element(
        "subProcess", "sub", bpmn.element("startEvent", "s"), bpmn.job("work"), bpmn.chain("s", "work")
    )
    diagram = bpmn.definitions(bpmn.process("p", bpmn.START, inner, bpmn.chain("start", "sub")))
    async with sandbox() as it:
        key = await it.start(await it.deploy(diagram))
        assert it.view.instance(key)["parents"] == {"start": "", "sub": "", "s": "sub", "work": "sub"}


async def test_very_many_scopes_are_not_all_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of very many rounds is shown in part, and says how many are not shown."""
    monkeypatch.setattr(instance_view, "MOST_SCOPES", 4)
    monkeypatch.setattr(instance_view, "MOST_WAITS", 3)
    rounds = (
        "<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements><zeebe:loopCharacteristics "
        "inputCollection="
        '"= items" inputElement="item"/></bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>'
    )
    diagram = bpmn.definitions(
        bpmn.process("p", bpmn.START, bpmn.job("work", rounds), bpmn.chain("start", "work"))
    )
    async with sandbox() as it:
        shown = it.view.instance(await it.start(await it.deploy(diagram), items=[*range(10)]))
        assert len(shown["scopes"]) == 4
        assert shown["moreScopes"] > 0
        assert (len(shown["jobs"]), shown["moreJobs"]) == (3, 7)
        assert "round 1" in str([scope["name"] for scope in shown["scopes"]])


async def test_what_is_not_there() -> None:
    """An unknown instance is a sentence, not a failure."""
    async with sandbox() as it:
        for look in (it.view.instance, it.view.process):
            with pytest.raises(ViewError, match="There is no process") as refusal:
                look(5)
            assert refusal.value.status == 404
