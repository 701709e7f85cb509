"""Events: what is waited for, what an event does when it happens, and where an error is caught."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_engine.diagram.model import Element, ErrorEvent, Kind, MessageEvent, TimerEvent
from local_engine.documents import Document, dump_object, read_document
from local_engine.expressions import Evaluator
from local_engine.messages import NameAndKey
from local_engine.scopes import trouble
from local_engine.state import ACTIVATED, ElementInstance, Subscription
from local_engine.timers import Schedule

if TYPE_CHECKING:
    from local_engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Wait:
    """A timer or message that an element is going to wait for; what can fail is evaluated."""

    target: Element
    schedule: Schedule | None = None
    message: NameAndKey | None = None


class Events:
    """Opens and closes what elements wait for, and runs the events that happen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # Waiting

    def waits(self, targets: Iterable[Element], evaluator: Evaluator) -> list[Wait]:
        """Return what is to be waited for, for events that are timers or messages; errors are not waited for.

        Raises:
            Trouble: an expression failed; nothing is open yet.
        """
        found = []
        with trouble():
            for target in targets:
                if isinstance(target.event, TimerEvent):
                    found.append(Wait(target, schedule=self._engine.timers.schedule(target.event, evaluator)))
                elif isinstance(target.event, MessageEvent):
                    found.append(Wait(target, message=self._engine.messages.wanted(target.event, evaluator)))
        return found

    def scope_waits(self, scope: Element, evaluator: Evaluator) -> list[Wait]:
        """Return what the event sub-processes of a scope wait for.

        Raises:
            Trouble: as `waits`.
        """
        return self.waits(
            [sub.start for sub in scope.event_sub_processes if sub.start is not None], evaluator
        )

    def open(self, instance: ElementInstance, waits: Iterable[Wait]) -> None:
        """Begin to wait."""
        process = self._engine.processes[instance.process]
        for wait in waits:
            if wait.schedule is not None:
                self._engine.timers.open(wait.schedule, instance, process, wait.target)
            elif wait.message is not None:
                self._engine.messages.subscribe(wait.message, instance, process, wait.target)

    def close(self, instance: ElementInstance, kind: Kind | None = None) -> None:
        """Stop waiting for all events, or (with a kind) for events of this kind."""
        state = self._engine.state
        elements = self._engine.processes[instance.process].elements
        for key in [*instance.waits]:
            wait = state.subscriptions.get(key) or state.timers[key]
            if kind is not None and elements[wait.target].kind is not kind:
                continue
            if isinstance(wait, Subscription):
                self._engine.messages.unsubscribe(wait)
            else:
                state.remove(wait)
                del instance.waits[key]

    # Happening

    def message_arrived(self, subscription: Subscription, message_key: int, variables: str) -> None:
        """Trigger the event that waits for a message; only a non-interrupting event goes on waiting."""
        instance = self._engine.state.instances[subscription.instance]
        target = self._engine.processes[instance.process].elements[subscription.target]
        if target.interrupting or target.id == instance.element:
            self._engine.messages.unsubscribe(subscription)
        process_id = self._engine.processes[instance.process].id
        self._push_trigger(instance, target.id, message_key, process_id, variables)

    def timer_fired(self, instance: ElementInstance, target_id: str) -> None:
        """Trigger the event that waits for a timer."""
        self._push_trigger(instance, target_id, 0, "", "")

    def _push_trigger(
        self, instance: ElementInstance, target_id: str, message_key: int, process_id: str, variables: str
    ) -> None:
        head = json.dumps([target_id, message_key, process_id])
        self._engine.push("trigger", instance.key, f"{head}\n{variables}")

    def trigger(self, key: int, argument: str) -> None:
        """Run an event at the element instance that waits for it.

        A message that comes too late, because another event was faster, is offered to others again.

        Args:
            key: of the element instance that waits.
            argument: JSON of the event's id, the message's key and the process's id, and on the next line
                the JSON of the event's variables.
        """
        head, _, text = argument.partition("\n")
        target_id, message, process_id = json.loads(head)
        instance = self._engine.state.instances.get(key)
        if instance is None or not self.can_happen(instance, target_id):
            self._engine.messages.give_back(message, process_id)
            return
        target = self._engine.processes[instance.process].elements[target_id]
        variables = read_document(text)
        element = self._engine.element_of(instance)
        if target is element:
            self._engine.tokens.deliver(instance, variables)
        elif element.kind is Kind.EVENT_BASED_GATEWAY:
            self._leave_gateway(instance, target, variables)
        elif target.kind is Kind.START_EVENT:
            self._enter_event_sub_process(instance, target, variables)
        else:
            self._enter_boundary_event(instance, target, variables)

    def can_happen(self, instance: ElementInstance, target_id: str) -> bool:
        """Check that an event is not too late: its instance is neither ending nor interrupted."""
        target = self._engine.processes[instance.process].elements[target_id]
        is_closed = instance.is_interrupted and target.kind is Kind.START_EVENT
        return instance.state == ACTIVATED and not is_closed

    def _leave_gateway(self, gateway: ElementInstance, target: Element, variables: Document) -> None:
        tokens = self._engine.tokens
        scope = self._engine.state.instances[gateway.parent]
        flow = next(flow for flow in self._engine.element_of(gateway).outgoing if flow.target is target)
        tokens.completing(gateway)
        tokens.finish(gateway)
        self._engine.records.of_flow(scope, flow.id)
        tokens.deliver(tokens.enter_activated(scope, target), variables)

    def _enter_boundary_event(self, instance: ElementInstance, event: Element, variables: Document) -> None:
        scope = self._engine.state.instances[instance.parent]
        if event.interrupting:
            self._engine.tokens.terminate(instance)
        self._engine.tokens.enter(scope, event, event_variables=dump_object(variables))

    def _enter_event_sub_process(self, scope: ElementInstance, start: Element, variables: Document) -> None:
        assert start.scope is not None
        if start.interrupting:
            for key in [*scope.kids]:
                self._engine.tokens.terminate(self._engine.state.instances[key])
            scope.joins = {}
            scope.is_interrupted = True
            self.close(scope, Kind.START_EVENT)  # what is attached to the scope can still happen
            self._engine.state.touch(scope)
        self._engine.tokens.enter(scope, start.scope, event_variables=dump_object(variables))

    # Errors

    def throw_error(self, instance: ElementInstance, code: str, variables: Document) -> bool:
        """Throw an error from an element instance outwards; return whether it was caught.

        At each scope its event sub-processes come first, then the boundary events of the scope; then follows
        the next scope outwards, through call activities too. An event for the code comes before one for all
        codes.
        """
        at: ElementInstance | None = instance
        while at is not None:
            element = self._engine.element_of(at)
            is_body = element.multi_instance is not None and not at.is_round
            if not is_body and not at.is_interrupted:
                starts = [sub.start for sub in element.event_sub_processes if sub.start is not None]
                start = _catching(starts, code)
                if start is not None:
                    self._enter_event_sub_process(at, start, variables)
                    return True
            event = _catching(element.boundary_events, code) if not at.is_round else None
            if event is not None:
                self._enter_boundary_event(at, event, variables)
                return True
            at = self._engine.state.instances.get(at.parent or at.caller)
        return False


def _catching(events: Iterable[Element], code: str) -> Element | None:
    """Return the event that catches an error code: the one for this code, else the one for all codes."""
    catch_all = None
    for event in events:
        if isinstance(event.event, ErrorEvent):
            if event.event.code is None:
                catch_all = event
            elif event.event.code.text == code:
                return event
    return catch_all
