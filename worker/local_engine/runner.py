"""Runs the engine on an event loop: all commands of one turn share one commit, and are answered after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeVar

from local_engine.clock import Clock
from local_engine.engine import Engine
from local_engine.errors import EngineError, Rejection
from local_engine.records import Listener
from local_engine.storage import Storage

log = logging.getLogger(__name__)

SLICE: Final = 0.05
"""Seconds of steps in one turn: then other commands can run."""
PAUSE: Final = 0.01
"""Seconds between two turns of steps that take long: in that time, calls are received and answered."""
LONGEST_SLEEP: Final = 3600.0
"""Longest wait in seconds; a later timer is checked again after it."""
FAILURES_IN_A_ROW: Final = 5
"""Turns that fail in a row before the engine stops."""

Result = TypeVar("Result")
Server = Callable[[Engine], None]


class _Turn:
    """What the commands of one turn wait for."""

    __slots__ = ("deliveries", "error", "has_steps", "waiting")

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.error: Exception | None = None
        self.deliveries: list[Callable[[], None]] = []
        self.has_steps = True

    def end(self) -> None:
        """Wake up the commands that wait for this turn."""
        for future in self.waiting:
            if not future.done():  # its call may have been cancelled
                future.set_result(None)


class Runner:
    """The engine with its turns.

    After an unexpected failure, memory and disk are still the same: the memory is dropped, the last commit is
    loaded, and all commands of the failed turn are answered INTERNAL. A commit that fails ends the engine.
    """

    def __init__(self, storage: Storage, clock: Clock, *, keep_record_lines: bool = False) -> None:
        """Load the engine.

        Raises:
            EngineError: the storage cannot be read.
        """
        self._storage = storage
        self._clock = clock
        self._keep_record_lines = keep_record_lines
        self._listeners: list[Listener] = []
        self._setups: list[Server] = []
        self._servers: list[Server] = []
        self._turn: _Turn | None = None
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for: int | None = None
        self._failures = 0
        self._is_behind = False  # steps are left over that wait for a turn of their own
        self._is_closed = False
        self.on_commit: Callable[[list[tuple[int, str]]], None] = lambda _lines: None
        """Called with position and JSON of the records that have just been written to the disk."""
        self.given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Has a sentence as its result when the engine cannot go on."""
        self.engine = self._load()

    def _load(self) -> Engine:
        engine = Engine(self._storage, self._clock)
        engine.records.keep_lines = self._keep_record_lines
        for listener in self._listeners:
            engine.records.subscribe(listener)
        for setup in self._setups:
            setup(engine)
        return engine

    def set_up(self, setup: Server) -> None:
        """Call a function with the engine now, and again each time that the engine is reloaded."""
        self._setups.append(setup)
        setup(self.engine)

    def serve(self, server: Server) -> None:
        """Add a function that each turn calls before its commit: it gives jobs to the workers that wait."""
        self._servers.append(server)

    def subscribe(self, listener: Listener) -> None:
        """Add a listener, which is called with each record that is on the disk."""
        self._listeners.append(listener)
        self.engine.records.subscribe(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.remove(listener)
        self.engine.records.unsubscribe(listener)

    async def execute(self, command: Callable[[Engine], Result]) -> Result:
        """Run a command and return its result once it is on the disk.

        Raises:
            Rejection: the command is refused. The status INTERNAL means that it failed unexpectedly, and has
                changed nothing; UNAVAILABLE means that the engine has stopped.
        """
        if self._is_closed:
            raise Rejection("UNAVAILABLE", "The engine has stopped")
        turn = self.begin_turn()
        try:
            result = command(self.engine)
        except Rejection:
            raise
        except Exception as error:
            turn.error = error
        # One future for each command: with a shared one, a cancelled command would cancel the others too.
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.waiting.append(over)
        await over
        if turn.error is not None:
            raise Rejection("INTERNAL", f"The engine failed and has undone the command: {turn.error!r}")
        return result

    def begin_turn(self) -> _Turn:
        """Return the next turn, which includes everything that is done until it runs."""
        if self._turn is None:
            self._turn = _Turn()
            self._turn.has_steps = not self._is_behind
            asyncio.get_running_loop().call_soon(self._end_turn)
        return self._turn

    def after_commit(self, delivery: Callable[[], None]) -> None:
        """Call a function once this turn is on the disk; do not call it if the turn fails."""
        self.begin_turn().deliveries.append(delivery)

    def _end_turn(self) -> None:
        turn = self._turn
        if turn is None or self._is_closed:
            return
        is_done = True
        if turn.error is None:
            try:
                is_done = self._run(turn)
            except EngineError as error:
                self._give_up(turn, error)
                return
            except Exception as error:
                turn.error = error
        self._turn = None
        if turn.error is not None:
            self._undo(turn.error)
        else:
            self._failures = 0
            for delivery in turn.deliveries:
                delivery()
        turn.end()
        if turn.has_steps and turn.error is None:
            self._is_behind = not is_done
            if not is_done:
                asyncio.get_running_loop().call_later(PAUSE, self._go_on)
        self._arm()

    def _go_on(self) -> None:
        self.begin_turn().has_steps = True

    def _run(self, turn: _Turn) -> bool:
        engine = self.engine
        is_done = engine.run(SLICE) if turn.has_steps else False
        for server in self._servers:
            server(engine)
        lines = engine.commit()
        if lines:
            self.on_commit(lines)
        return is_done

    def _undo(self, error: Exception) -> None:
        self._failures += 1
        log.error("A turn failed; the engine goes on from the last commit", exc_info=error)
        self._armed_for = None
        try:
            if self._failures >= FAILURES_IN_A_ROW:
                raise EngineError(
                    f"The engine failed {self._failures} times in a row ({error!r}) and stops; all that was "
                    "acknowledged is kept. Report this with the log."
                )
            self.engine = self._load()
        except EngineError as fatal:
            self._stop_with(str(fatal))
            return
        self._is_behind = False
        asyncio.get_running_loop().call_soon(self._go_on)

    def _give_up(self, turn: _Turn, error: EngineError) -> None:
        log.critical("%s", error)
        self._stop_with(str(error))
        turn.error = error
        turn.end()

    def _stop_with(self, sentence: str) -> None:
        self.close()
        if not self.given_up.done():
            self.given_up.set_result(sentence)

    # Time

    def wake(self) -> None:
        """Run what is due by now: the clock has moved."""
        self._armed_for = None
        self._sweep()

    def _sweep(self) -> None:
        if self._is_closed:
            return
        turn = self.begin_turn()
        try:
            if self.engine.sweep():
                asyncio.get_running_loop().call_soon(self._sweep)
        except Exception as error:
            turn.error = error
        self._armed_for = None

    def _arm(self) -> None:
        due = self.engine.due.next()
        if due == self._armed_for or self._is_closed:
            return
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        self._armed_for = due
        if due is not None and not (self._clock.is_pinned and due > self._clock.now()):
            # A little late rather than early: the loop's clock and the system's are not the same.
            wait = min(max(0.0, (due - self._clock.now()) / 1000 + 0.001), LONGEST_SLEEP)
            self._armed = asyncio.get_running_loop().call_later(wait, self._sweep)

    def start(self) -> None:
        """Start: continue the steps that the last run has left, and wait for what is due."""
        self.begin_turn()

    def close(self) -> None:
        """Stop all work."""
        self._is_closed = True
        if self._armed is not None:
            self._armed.cancel()
