"""Threads for `def` handlers.

A few run at a time. A call that takes long gives its place to another and goes on beside, so that
one which never ends costs a thread and nothing else; only some hundred of those would make the
others wait.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.shapes import Clock

PLACES = 32
LONG_ONES = 256
LONG = 5_000  # ms


class _Call:
    __slots__ = ("has_place", "result", "since", "work")

    def __init__(self, work: Callable[[], Any], result: asyncio.Future[Any], since: int) -> None:
        self.work = work
        self.result = result
        self.since = since
        self.has_place = True


_Inbox: TypeAlias = "queue.SimpleQueue[_Call | None]"


class Threads:
    """Runs calls in threads that end with the process, whatever they are doing. `clock`: ms."""

    def __init__(self, clock: Clock, *, places: int = PLACES, long_ones: int = LONG_ONES) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(places)
        self._most_idle = places
        self._long_left = long_ones
        self._running: set[_Call] = set()
        self._idle: list[_Inbox] = []
        self._closed = False

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, or raise what it raises."""
        await self._places.acquire()
        call = _Call(work, self._loop.create_future(), self._clock())
        try:
            inbox = self._idle.pop() if self._idle else self._hire()
        except RuntimeError:  # the system gives no more threads
            self._places.release()
            raise
        self._running.add(call)
        inbox.put(call)
        return await call.result

    def sweep(self) -> None:
        """Let long calls go on beside the others."""
        now = self._clock()
        for call in self._running:
            if call.has_place and now - call.since >= LONG and self._long_left > 0:
                call.has_place = False
                self._long_left -= 1
                self._places.release()

    def close(self) -> None:
        """Let every thread end with its call."""
        self._closed = True
        for inbox in self._idle:
            inbox.put(None)
        self._idle.clear()

    def _hire(self) -> _Inbox:
        inbox: _Inbox = queue.SimpleQueue()
        threading.Thread(target=self._serve, args=(inbox,), name="handler", daemon=True).start()
        return inbox

    def _serve(self, inbox: _Inbox) -> None:
        while (call := inbox.get()) is not None:
            outcome, error = None, None
            try:
                outcome = call.work()
            except BaseException as raised:
                error = raised
            try:
                self._loop.call_soon_threadsafe(self._finish, inbox, call, outcome, error)
            except RuntimeError:  # the event loop has ended
                return

    def _finish(
        self, inbox: _Inbox, call: _Call, outcome: Any, error: BaseException | None
    ) -> None:
        self._running.discard(call)
        if call.has_place:
            self._places.release()
        else:
            self._long_left += 1
        if self._closed or len(self._idle) >= self._most_idle:
            inbox.put(None)
        else:
            self._idle.append(inbox)
        if call.result.done():
            return
        if error is None:
            call.result.set_result(outcome)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            call.result.set_exception(error)
        else:
            call.result.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
