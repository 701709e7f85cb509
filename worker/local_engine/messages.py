"""Messages: subscriptions, correlation by name and key, and messages that are kept for a while."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local_engine.diagram.model import Element, MessageEvent, Process
from local_engine.documents import Document, dump_object, read_document
from local_engine.errors import ExpressionError, Rejection
from local_engine.expressions import Evaluator, type_name
from local_engine.scopes import check_size
from local_engine.state import ElementInstance, Message, Subscription

if TYPE_CHECKING:
    from local_engine.engine import Engine

NameAndKey = tuple[str, str]


class Messages:
    """Correlates messages with the subscriptions that wait for them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[NameAndKey, dict[int, Subscription]] = {}
        self._starts: dict[str, dict[int, Subscription]] = {}  # start events of processes, by message name
        self._kept: dict[NameAndKey, dict[int, Message]] = {}
        self._running: dict[tuple[str, str], int] = {}  # (process id, correlation key) -> process instance

    def load(self) -> None:
        """Load what the state has."""
        state = self._engine.state
        for subscription in state.subscriptions.values():
            self._index(subscription)
        for message in state.messages.values():
            self._keep(message)
        for instance in state.instances.values():
            if instance.correlation_key:
                self._running[self._id_of(instance), instance.correlation_key] = instance.key

    # Subscriptions

    def wanted(self, event: MessageEvent, evaluator: Evaluator) -> NameAndKey:
        """Return name and correlation key of the message that an event waits for.

        Raises:
            ExpressionError: the name is no string, or the key neither string nor number.
        """
        name = evaluator.text(event.name)
        if event.correlation_key is None:
            return name, ""
        key = evaluator.json(event.correlation_key)
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise ExpressionError(
                f"Failed to extract the correlation key for '{event.correlation_key.source}': The value must "
                f"be either a string or a number, but was '{type_name(key)}'."
            )
        return name, key if isinstance(key, str) else json.dumps(key)

    def subscribe(
        self, wanted: NameAndKey, instance: ElementInstance | None, process: Process, target: Element
    ) -> None:
        """Open a subscription for an element instance that waits or, if that is None, for a start event."""
        name, correlation_key = wanted
        subscription = self._engine.state.add(
            Subscription(
                self._engine.state.next_key(),
                name=name,
                correlation_key=correlation_key,
                instance=instance.key if instance is not None else 0,
                process=process.key,
                target=target.id,
            )
        )
        self._index(subscription)
        if instance is None:
            return
        instance.waits[subscription.key] = None
        for message in [*self._kept.get(wanted, {}).values()]:
            self._offer(message, subscription)
            if subscription.key not in self._engine.state.subscriptions:
                return  # only what does not interrupt takes more than one

    def unsubscribe(self, subscription: Subscription) -> None:
        """Close a subscription."""
        index: dict[Any, dict[int, Subscription]] = self._waiting if subscription.instance else self._starts
        place: Any = (
            (subscription.name, subscription.correlation_key) if subscription.instance else subscription.name
        )
        index[place].pop(subscription.key)
        if not index[place]:
            del index[place]
        instance = self._engine.state.instances.get(subscription.instance)
        if instance is not None:
            instance.waits.pop(subscription.key, None)
        self._engine.state.remove(subscription)

    def close_starts_of(self, process: Process) -> None:
        """Close the subscriptions of a process definition's start events: a newer version takes over."""
        for by_key in [*self._starts.values()]:
            for subscription in [*by_key.values()]:
                if subscription.process == process.key:
                    self.unsubscribe(subscription)

    # Messages

    def publish(self, name: str, correlation_key: str, ttl: int, id: str, variables: Document) -> int:
        """Publish a message to one waiting instance of each process and to start events; keep it for its TTL.

        Args:
            name: of the message.
            correlation_key: selects the instance that gets it; if empty, start events do not wait for the end
                of another instance.
            ttl: how long it is kept, in milliseconds.
            id: where given, a second message with it is refused while the first is kept.
            variables: that it carries.

        Returns:
            The message's key.

        Raises:
            Rejection: ALREADY_EXISTS, INVALID_ARGUMENT without a name, or UNKNOWN for variables that are too
                large.
        """
        self._check(name, correlation_key, id)
        check_size(variables, "PUBLISH")
        message = Message(
            self._engine.state.next_key(),
            name=name,
            correlation_key=correlation_key,
            id=id,
            until=self._engine.clock.after(ttl),
            variables=dump_object(variables),
        )
        for subscription in [*self._waiting.get((name, correlation_key), {}).values()]:
            self._offer(message, subscription)
        for subscription in [*self._starts.get(name, {}).values()]:
            self._start(message, subscription)
        if ttl > 0:
            self._engine.state.add(message)
            self._keep(message)
        return message.key

    def _check(self, name: str, correlation_key: str, id: str) -> None:
        if not name:
            raise Rejection(
                "INVALID_ARGUMENT",
                "Command 'PUBLISH' rejected with code 'INVALID_ARGUMENT': Expected a message with a name, "
                "but it has none",
            )
        if id and any(kept.id == id for kept in self._kept.get((name, correlation_key), {}).values()):
            raise Rejection(
                "ALREADY_EXISTS",
                "Command 'PUBLISH' rejected with code 'ALREADY_EXISTS': Expected to publish a new message "
                f"with id '{id}', but a message with that id was already published",
            )

    def give_back(self, key: int, process_id: str) -> None:
        """Offer a kept message again that its receiver could not take; do nothing if the message is gone."""
        message = self._engine.state.messages.get(key)
        if message is None:
            return
        message.taken.remove(process_id)
        self._engine.state.touch(message)
        for subscription in [*self._waiting.get((message.name, message.correlation_key), {}).values()]:
            if self._engine.processes[subscription.process].id == process_id:
                self._offer(message, subscription)
        for subscription in [*self._starts.get(message.name, {}).values()]:
            if self._engine.processes[subscription.process].id == process_id:
                self._start(message, subscription)

    def process_ended(self, instance: ElementInstance) -> None:
        """Start the next instance if messages with the same correlation key wait for the end of this one."""
        if not instance.correlation_key:
            return
        process_id = self._id_of(instance)
        self._running.pop((process_id, instance.correlation_key), None)
        self._engine.push("next_message", 0, json.dumps([process_id, instance.correlation_key]))

    def start_next(self, _key: int, argument: str) -> None:
        """Start an instance by the first kept message that waits for the end of another one."""
        process_id, correlation_key = json.loads(argument)
        kept = [
            m for (_, key), by_key in self._kept.items() if key == correlation_key for m in by_key.values()
        ]
        for message in sorted(kept, key=lambda each: each.key):
            for subscription in [*self._starts.get(message.name, {}).values()]:
                if self._engine.processes[subscription.process].id == process_id:
                    self._start(message, subscription)
            if (process_id, correlation_key) in self._running:
                return

    def is_current(self, key: int, due: int) -> bool:
        """Check whether a message is still kept until this moment."""
        message = self._engine.state.messages.get(key)
        return message is not None and message.until == due

    def fall_due(self, key: int) -> None:
        """Discard a message whose time is over."""
        message = self._engine.state.messages[key]
        place = (message.name, message.correlation_key)
        self._kept[place].pop(key)
        if not self._kept[place]:
            del self._kept[place]
        self._engine.state.remove(message)

    def _offer(self, message: Message, subscription: Subscription) -> None:
        """Correlate a message, if its process has not received it yet and the receiver can still take it."""
        process_id = self._engine.processes[subscription.process].id
        instance = self._engine.state.instances[subscription.instance]
        if process_id in message.taken or not self._engine.events.can_happen(instance, subscription.target):
            return
        self._take(message, process_id)
        self._engine.events.message_arrived(subscription, message.key, message.variables)

    def _start(self, message: Message, subscription: Subscription) -> None:
        process = self._engine.processes[subscription.process]
        lock = (process.id, message.correlation_key)
        if process.id in message.taken or (message.correlation_key and lock in self._running):
            return
        self._take(message, process.id)
        start = process.elements[subscription.target]
        variables = read_document(message.variables)
        instance = self._engine.creation.start_by_event(process, start, variables, message.correlation_key)
        if message.correlation_key:
            self._running[lock] = instance.key

    def _take(self, message: Message, process_id: str) -> None:
        message.taken.append(process_id)
        if message.key in self._engine.state.messages:
            self._engine.state.touch(message)

    def _keep(self, message: Message) -> None:
        self._kept.setdefault((message.name, message.correlation_key), {})[message.key] = message
        self._engine.due.add(message.until, Message.KIND, message.key)

    def _index(self, subscription: Subscription) -> None:
        if subscription.instance:
            place = (subscription.name, subscription.correlation_key)
            self._waiting.setdefault(place, {})[subscription.key] = subscription
        else:
            self._starts.setdefault(subscription.name, {})[subscription.key] = subscription

    def _id_of(self, instance: ElementInstance) -> str:
        return self._engine.processes[instance.process].id
