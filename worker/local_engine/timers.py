"""Timers: of waiting elements, and of the start events of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_engine import schedules
from local_engine.diagram.model import Element, Process, TimerEvent, TimerKind
from local_engine.errors import ExpressionError
from local_engine.expressions import Evaluator
from local_engine.schedules import FOREVER, Cycle, Duration
from local_engine.state import ElementInstance, Timer

if TYPE_CHECKING:
    from local_engine.engine import Engine

Schedule = tuple[int, Cycle]
"""When a timer is due first (epoch milliseconds), and how it goes on."""


class Timers:
    """Opens timers, and fires them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load(self) -> None:
        """Load the timers of the state, and wait for them."""
        for timer in self._engine.state.timers.values():
            self._engine.due.add(timer.due, Timer.KIND, timer.key)

    def schedule(self, event: TimerEvent, evaluator: Evaluator) -> Schedule:
        """Return when a timer is due.

        Raises:
            ExpressionError: its value is not a duration, date or cycle.
        """
        value = evaluator.value(event.expression)
        try:
            return self._schedule(event.kind, value)
        except ExpressionError as error:
            if event.expression.is_static:
                raise
            raise ExpressionError(f"The timer's expression '{event.expression.source}': {error}") from None

    def _schedule(self, kind: TimerKind, value: Any) -> Schedule:
        now = self._engine.clock.now()
        if kind is TimerKind.DATE:
            return schedules.moment(value), Cycle(1, Duration(0, 0), None)
        if kind is TimerKind.CYCLE:
            cycle = schedules.cycle(value)
            return cycle.first(now), cycle
        return schedules.duration(value).after(now), Cycle(1, Duration(0, 0), None)

    def open(
        self, schedule: Schedule, instance: ElementInstance | None, process: Process, target: Element
    ) -> None:
        """Open a timer for an element instance that waits or, if that is None, for a start event."""
        due, cycle = schedule
        if cycle.repetitions == 0:
            return
        timer = self._engine.state.add(
            Timer(
                self._engine.state.next_key(),
                due=due,
                instance=instance.key if instance is not None else 0,
                process=process.key,
                target=target.id,
                repetitions=cycle.repetitions,
                months=cycle.every.months,
                interval=cycle.every.milliseconds,
            )
        )
        if instance is not None:
            instance.waits[timer.key] = None
        self._engine.due.add(due, Timer.KIND, timer.key)

    def close_starts_of(self, process: Process) -> None:
        """Close the timers of a process definition's start events: a newer version takes over."""
        for timer in [*self._engine.state.timers.values()]:
            if not timer.instance and timer.process == process.key:
                self._engine.state.remove(timer)

    def is_current(self, key: int, due: int) -> bool:
        """Check whether a timer still waits for this moment."""
        timer = self._engine.state.timers.get(key)
        return timer is not None and timer.due == due

    def fall_due(self, key: int) -> None:
        """Fire a timer, and open it again if it repeats."""
        timer = self._engine.state.timers[key]
        instance = self._engine.state.instances.get(timer.instance)
        if timer.repetitions == 1:
            self._engine.state.remove(timer)
            if instance is not None:
                instance.waits.pop(key, None)
        else:
            self._repeat(timer)
        if instance is not None:
            self._engine.events.timer_fired(instance, timer.target)
        elif not timer.instance:
            process = self._engine.processes[timer.process]
            self._engine.creation.start_by_event(process, process.elements[timer.target])

    def _repeat(self, timer: Timer) -> None:
        if timer.repetitions != FOREVER:
            timer.repetitions -= 1
        try:
            timer.due = Duration(timer.months, timer.interval).after(timer.due)
        except ExpressionError:  # beyond the year 9999
            timer.due = 1 << 62
        self._engine.state.touch(timer)
        self._engine.due.add(timer.due, Timer.KIND, timer.key)
