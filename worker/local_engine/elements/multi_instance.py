"""Multi-instance activities: a body that holds one round for each item of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from local_engine.documents import Document, Variable
from local_engine.scopes import trouble

if TYPE_CHECKING:
    from local_engine.diagram.model import Element
    from local_engine.engine import Engine
    from local_engine.expressions import Evaluator
    from local_engine.state import ElementInstance


class Body:
    """The container of the rounds. It has the boundary events, each round has the mappings."""

    def prepare(
        self, engine: Engine, instance: ElementInstance, element: Element, evaluator: Evaluator
    ) -> list[Any]:
        """Return the items."""
        assert element.multi_instance is not None
        with trouble():
            return evaluator.array(element.multi_instance.input_collection)

    def begin(self, engine: Engine, instance: ElementInstance, element: Element, prepared: list[Any]) -> None:
        """Begin the first round, or all of them."""
        loop = element.multi_instance
        assert loop is not None
        count = len(prepared)
        begun = min(count, 1) if loop.sequential else count
        engine.state.set_items(instance, prepared)
        instance.loop = [count, begun, 0]
        if loop.output_collection is not None:
            engine.scopes.set_local(instance, {loop.output_collection: Variable(None, [None] * count)})
        if not prepared:
            engine.tokens.done(instance)
        for index in range(begun):
            engine.tokens.enter_round(instance, element, index)


BODY: Final = Body()


def set_locals(engine: Engine, instance: ElementInstance, element: Element) -> None:
    """Write a round's own variables: its item, its number, and the place of its output.

    They are written once: an activation that is tried again keeps what was corrected in the meantime.
    """
    loop = element.multi_instance
    assert loop is not None
    if "loopCounter" in instance.variables:
        return
    document: Document = {}
    if loop.input_element is not None:
        item = engine.state.instances[instance.parent].items[instance.index]
        document[loop.input_element] = Variable(None, item)
    document["loopCounter"] = Variable(None, instance.index + 1)
    if loop.output_variable is not None and loop.output_variable not in document:
        document[loop.output_variable] = Variable("null", None)
    engine.scopes.set_local(instance, document)


def complete_round(engine: Engine, instance: ElementInstance, element: Element) -> None:
    """Complete a round: output mappings, the entry in the output collection, the completion condition.

    Raises:
        Trouble: an expression failed; nothing is changed.
    """
    loop = element.multi_instance
    assert loop is not None
    body = engine.state.instances[instance.parent]
    assert body.loop is not None
    evaluator = engine.scopes.evaluator(instance)
    mapped = engine.scopes.outputs(element.outputs, evaluator) if element.outputs else {}
    over = {name: variable.value for name, variable in mapped.items()}
    collected: Document = {}
    count, begun, done = body.loop
    with trouble():
        if loop.output_collection is not None and loop.output_element is not None:
            outputs = [*body.variables[loop.output_collection].value]
            outputs[instance.index] = evaluator.json(loop.output_element, over)
            collected = {loop.output_collection: Variable(None, outputs)}
            over.setdefault(loop.output_collection, outputs)
        is_over = done + 1 == count
        if loop.completion_condition is not None:
            over |= _counts(begun, done + 1)
            is_over = evaluator.boolean(loop.completion_condition, over) or is_over
    engine.scopes.propagate(instance, mapped)
    engine.scopes.set_local(body, collected)
    engine.tokens.finish(instance)
    body.loop[2] = done + 1
    engine.state.touch(body)
    if is_over:
        _end(engine, body)
    elif loop.sequential:
        body.loop[1] = begun + 1
        engine.tokens.enter_round(body, element, begun)


def output(instance: ElementInstance, element: Element) -> Document:
    """Return the output collection of a body."""
    assert element.multi_instance is not None
    name = element.multi_instance.output_collection
    return {} if name is None else {name: instance.variables[name]}


def _end(engine: Engine, body: ElementInstance) -> None:
    for key in [*body.kids]:
        engine.tokens.terminate(engine.state.instances[key])
    engine.tokens.done(body)


def _counts(begun: int, completed: int) -> dict[str, int]:
    return {
        "numberOfInstances": begun,
        "numberOfActiveInstances": begun - completed,
        "numberOfCompletedInstances": completed,
        "numberOfTerminatedInstances": 0,
    }
