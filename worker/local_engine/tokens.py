"""Tokens: how elements are entered, activated, left or terminated, and where the process goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local_engine.diagram.model import Element, ErrorEvent, Kind, SequenceFlow
from local_engine.documents import Document, read_document
from local_engine.elements import Behaviour, behaviour_of, multi_instance
from local_engine.elements.gateways import chosen_flows
from local_engine.errors import Trouble
from local_engine.scopes import trouble
from local_engine.state import ACTIVATED, COMPLETING, ElementInstance

if TYPE_CHECKING:
    from local_engine.engine import Engine
    from local_engine.events import Wait
    from local_engine.expressions import Evaluator

_EVENTS = (Kind.START_EVENT, Kind.BOUNDARY_EVENT)


class Tokens:
    """The state machine of element instances.

    Activating and completing are steps that can be tried again: everything in them that can fail is evaluated
    before anything is changed. A failure is an incident that keeps the step.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._behaviours: dict[Element, Behaviour] = {}

    # Entering

    def enter(
        self,
        scope: ElementInstance,
        element: Element,
        *,
        event_variables: str = "",
        entry: dict[str, Any] | None = None,
    ) -> ElementInstance:
        """Create an instance of an element in a scope; its activation is the next step.

        Args:
            scope: that it runs in.
            element: to be entered.
            event_variables: JSON of what the event carried that leads here.
            entry: of a sub-process that is entered in the middle.
        """
        instance = self._new(scope, element)
        instance.event_variables = event_variables
        instance.entry = entry
        self._engine.records.of_element(instance, "ELEMENT_ACTIVATING")
        self._engine.push("activate", instance.key)
        return instance

    def enter_round(self, body: ElementInstance, element: Element, index: int) -> None:
        """Create one round in a multi-instance body."""
        instance = self._new(body, element)
        instance.is_round, instance.index = True, index
        self._engine.records.of_element(instance, "ELEMENT_ACTIVATING")
        self._engine.push("activate", instance.key)

    def enter_activated(self, scope: ElementInstance, element: Element) -> ElementInstance:
        """Create an instance in a scope for an event that has happened: it needs no activation."""
        instance = self._new(scope, element)
        self._engine.records.of_element(instance, "ELEMENT_ACTIVATING")
        self._activated(instance)
        return instance

    def _new(self, scope: ElementInstance, element: Element) -> ElementInstance:
        state = self._engine.state
        instance = state.add(
            ElementInstance(
                state.next_key(), element=element.id, process=scope.process, root=scope.root, parent=scope.key
            )
        )
        scope.kids[instance.key] = None
        return instance

    # Activating

    def activate(self, instance: ElementInstance) -> None:
        """Activate an element instance: input mappings, boundary events, and what the element itself does.

        Raises:
            Trouble: an expression failed.
        """
        element = self._engine.element_of(instance)
        is_body = element.multi_instance is not None and not instance.is_round
        behaviour = multi_instance.BODY if is_body else self._behaviour(element)
        if instance.is_round:
            multi_instance.set_locals(self._engine, instance, element)
        if instance.event_variables and element.kind in _EVENTS:
            self._take_over(instance, element)
        evaluator = self._engine.scopes.evaluator(instance)
        inputs: Document = {}
        if element.inputs and not is_body:
            # Not written before all is worked out: a second try must not see what the first one has mapped.
            inputs = self._engine.scopes.inputs(element.inputs, evaluator)
            evaluator.cover({name: variable.value for name, variable in inputs.items()})
        waits = [] if instance.is_round else self._engine.events.waits(element.boundary_events, evaluator)
        prepared = behaviour.prepare(self._engine, instance, element, evaluator)
        self._engine.scopes.set_local(instance, inputs)
        self._activated(instance)
        self._engine.events.open(instance, waits)
        behaviour.begin(self._engine, instance, element, prepared)

    def _take_over(self, instance: ElementInstance, element: Element) -> None:
        """Write an event's variables: those of an error stay at the event, those of a message go outwards.

        An output mapping keeps a message's variables at the event too, and decides what goes on from there.
        """
        variables = read_document(instance.event_variables)
        instance.event_variables = ""
        if element.outputs or isinstance(element.event, ErrorEvent):
            self._engine.scopes.set_local(instance, variables)
        else:
            self._engine.scopes.propagate(instance, variables)

    def _activated(self, instance: ElementInstance) -> None:
        instance.state = ACTIVATED
        self._engine.state.touch(instance)
        self._engine.records.of_element(instance, "ELEMENT_ACTIVATED")

    def _behaviour(self, element: Element) -> Behaviour:
        behaviour = self._behaviours.get(element)
        if behaviour is None:
            behaviour = self._behaviours[element] = behaviour_of(element)
        return behaviour

    # Leaving

    def deliver(self, instance: ElementInstance, variables: Document) -> None:
        """Write an element's result (of a job, a message, a script ...); the next step completes the element.

        With output mappings the result is local and the mappings decide; else it is propagated.
        """
        if self._engine.element_of(instance).outputs:
            self._engine.scopes.set_local(instance, variables)
        else:
            self._engine.scopes.propagate(instance, variables)
        self.done(instance)

    def done(self, instance: ElementInstance) -> None:
        """Complete an element instance in the next step."""
        self.completing(instance)
        self._engine.push("complete", instance.key)

    def completing(self, instance: ElementInstance) -> None:
        """Mark an element instance as completing: no event happens to it any more."""
        instance.state = COMPLETING
        self._engine.state.touch(instance)
        self._engine.records.of_element(instance, "ELEMENT_COMPLETING")

    def complete(self, instance: ElementInstance) -> None:
        """Complete an element instance: output mappings, then the flows that are taken.

        Raises:
            Trouble: an expression failed.
        """
        element = self._engine.element_of(instance)
        if not instance.parent:
            self._complete_process(instance)
        elif instance.is_round:
            multi_instance.complete_round(self._engine, instance, element)
        elif element.multi_instance is not None:
            self._leave(instance, element, multi_instance.output(instance, element), element.outgoing)
        else:
            evaluator = self._engine.scopes.evaluator(instance)
            flows = chosen_flows(element, evaluator)
            mapped = self._engine.scopes.outputs(element.outputs, evaluator) if element.outputs else {}
            waits = self._scope_waits(instance, element, evaluator, mapped)
            self._leave(instance, element, mapped, flows, waits)

    def _scope_waits(
        self, instance: ElementInstance, element: Element, evaluator: Evaluator, mapped: Document
    ) -> list[Wait]:
        """Return what the scope's event sub-processes wait for: a start event may bring their variables."""
        if (
            element.kind is not Kind.START_EVENT
            or element.scope is None
            or not element.scope.event_sub_processes
        ):
            return []
        scope = self._engine.state.instances[instance.parent]
        outside = evaluator.elsewhere(self._engine.scopes.lookup(scope))
        outside.cover({name: variable.value for name, variable in mapped.items()})
        return self._engine.events.scope_waits(element.scope, outside)

    def _leave(
        self,
        instance: ElementInstance,
        element: Element,
        mapped: Document,
        flows: list[SequenceFlow],
        waits: Sequence[Wait] = (),
    ) -> None:
        scope = self._engine.state.instances[instance.parent]
        self._engine.scopes.propagate(scope, mapped)
        self.finish(instance)
        if element.link_target is not None:
            self.enter(scope, element.link_target)
        for flow in flows:
            self._take(scope, flow)
        self._engine.events.open(scope, waits)
        self.check(scope)

    def finish(self, instance: ElementInstance) -> None:
        """Record that an element instance is completed, and remove it."""
        self._engine.records.of_element(instance, "ELEMENT_COMPLETED")
        self._remove(instance)

    def _take(self, scope: ElementInstance, flow: SequenceFlow) -> None:
        self._engine.records.of_flow(scope, flow.id)
        gateway = flow.target
        if gateway.kind is not Kind.PARALLEL_GATEWAY or len(gateway.incoming) < 2:
            self.enter(scope, gateway)
            return
        self._engine.state.touch(scope)
        arrived = scope.joins.setdefault(gateway.id, {})
        arrived[flow.id] = arrived.get(flow.id, 0) + 1
        if len(arrived) == len(gateway.incoming):
            left = {name: count - 1 for name, count in arrived.items() if count > 1}
            if left:
                scope.joins[gateway.id] = left
            else:
                del scope.joins[gateway.id]
            self.enter(scope, gateway)

    def check(self, scope: ElementInstance) -> None:
        """Complete a scope when nothing is left in it and no token waits at a join."""
        if not scope.kids and not scope.joins and scope.state == ACTIVATED:
            self.done(scope)

    def _complete_process(self, instance: ElementInstance) -> None:
        self.finish(instance)
        caller = self._engine.state.instances.get(instance.caller)
        if caller is not None:
            self._return(caller, instance.variables)
        else:
            self._engine.on_end(instance, instance.variables)
        self._engine.messages.process_ended(instance)

    def _return(self, caller: ElementInstance, variables: Document) -> None:
        """Deliver a called process's variables to its call activity."""
        element = self._engine.element_of(caller)
        assert element.called is not None
        caller.called = 0
        if element.outputs or element.called.propagate_all_child_variables:
            self.deliver(caller, variables)
        else:
            self.done(caller)

    # Terminating

    def terminate(self, instance: ElementInstance) -> None:
        """End an element instance at once, with everything in it and everything it has called."""
        instances = self._engine.state.instances
        found = [instance]
        for each in found:  # grows while it is walked: outer ones first
            found += [instances[key] for key in each.kids]
            if each.called in instances:
                found.append(instances[each.called])
        for each in found:
            self._engine.records.of_element(each, "ELEMENT_TERMINATING")
        for each in reversed(found):
            self._end(each)

    def _end(self, instance: ElementInstance) -> None:
        job = self._engine.state.jobs.get(instance.job)
        if job is not None:
            self._engine.jobs.cancel(job)
        self._engine.records.of_element(instance, "ELEMENT_TERMINATED")
        self._remove(instance)
        if not instance.parent:
            if not instance.caller:
                self._engine.on_end(instance, None)
            self._engine.messages.process_ended(instance)

    def _remove(self, instance: ElementInstance) -> None:
        state = self._engine.state
        for key in [*instance.incidents]:
            self._engine.incidents.remove(state.incidents[key])
        self._engine.events.close(instance)
        if instance.parent:
            state.instances[instance.parent].kids.pop(instance.key, None)
        state.remove(instance)

    # Errors that the diagram itself throws

    def throw(self, instance: ElementInstance) -> None:
        """Throw the error of an error end event.

        Raises:
            Trouble: its code is not a string, or nothing catches it.
        """
        element = self._engine.element_of(instance)
        assert isinstance(element.event, ErrorEvent)
        assert element.event.code is not None
        with trouble():
            code = self._engine.scopes.evaluator(instance).text(element.event.code)
        if not self._engine.events.throw_error(instance, code, {}):
            raise Trouble(
                "UNHANDLED_ERROR_EVENT",
                f"Expected to throw an error event with the code '{code}', but it was not caught: no event "
                "of this code, or of all codes, is around it in the diagram.",
            )
