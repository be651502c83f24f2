"""The runtime of handlers: a lane for each device that has something to handle.

It listens to the hub as any listener; only series of devices whose type has handlers cost anything.
A lane keeps its device's events in order and has a task while there are any. What comes faster than
it is handled fills the lane up to a bound; then the oldest events go, are counted, and the log says
so. The hub never waits.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import threading
from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import GatewayError, Unavailable
from gateway.frames import is_new_command
from gateway.handlers.context import Context
from gateway.handlers.device import ANY, Device, DeviceType, Fleet
from gateway.handlers.loading import hears_updates, load
from gateway.handlers.rooms import Rooms
from gateway.handlers.threads import Threads
from gateway.hub import Encoding, Group
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.frames import Entry
    from gateway.handlers.context import Described
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.presence import Presence
    from gateway.shapes import Clock

log = logging.getLogger(__name__)

LANE_EVENTS = 1_000
ALL_EVENTS = 100_000
SWEEP = 1.0  # s
GRACE = 2.0  # s that handlers have to end
UNAVAILABLE_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s, before an answer is sent again
STUCK = 60_000  # ms in one handler, before the log tells

_Event = tuple["Entry", bytes]
_ENCODING = Encoding(frame=lambda seq, entry, data: (entry, data), join=lambda parts: parts)
_EVERYTHING = frozenset({TopicFilter("#")})
_NOT_CHANNELS = frozenset({"on_connect", "on_disconnect", "on_frame"})


@lru_cache(4096)
def method_name(channel: str) -> str:
    """Return which method handles a channel: `on_relay_0` for `relay/0`."""
    return "on_" + re.sub(r"\W", "_", channel)


class _Lane:
    """One device's events, in order."""

    __slots__ = ("connected", "device", "dropped", "events", "since", "task", "told")

    def __init__(self, device: str) -> None:
        self.device = device
        self.events: deque[_Event] = deque()
        self.task: asyncio.Task[None] | None = None
        self.connected = False  # its handlers were told
        self.dropped = 0  # since it last kept up
        self.since: int | None = None  # when the handler that runs was called, in ms
        self.told = False  # the log tells that this takes long


class _Handled:
    """The hub's view: devices of the types that have handlers."""

    def __init__(self, types: frozenset[str], describe: Callable[[str], Described | None]) -> None:
        self.key = ("handlers", types)
        self._types = types
        self._describe = describe

    def sees(self, device: str) -> bool:
        described = self._describe(device)
        return described is not None and (described.type in self._types or ANY in self._types)


class Handlers:
    """Runs handlers. Make it on the event loop; `load`, then let `run` be a task, and `close` at
    the end.

    `describe(device)`: what is known of a device. `clock`: ms since 1970 UTC. `folder`: also
    searched for modules.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        intake: Intake,
        catalog: Catalog,
        commands: Commands,
        presence: Presence,
        describe: Callable[[str], Described | None],
        clock: Clock,
        folder: Path,
    ) -> None:
        self.dropped = 0  # events
        self.failed = 0
        self._hub = hub
        self._clock = clock
        self._folder = folder
        loop = asyncio.get_running_loop()
        self._context = Context(
            loop=loop,
            thread=threading.get_ident(),
            commands=commands,
            presence=presence,
            intake=intake,
            catalog=catalog,
            clock=clock,
            describe=describe,
            rooms=Rooms(),
            own={},
        )
        self._threads = Threads(clock)
        self._types: dict[str, DeviceType] = {}
        self._hearing_updates: frozenset[str] = frozenset()  # types that have `on_update`
        self._modules: tuple[str, ...] = ()
        self._reloading = asyncio.Lock()  # two signals at once must not import over each other
        self._lanes: dict[str, _Lane] = {}
        self._waiting = 0  # events
        self._group: Group | None = None
        self._closing = False

    @property
    def types(self) -> frozenset[str]:
        """The device types that have handlers."""
        return frozenset(self._types)

    # Loading

    def load(self, modules: Sequence[str]) -> None:
        """Import modules and let their types handle events from now on; raises `Invalid`."""
        self.use(load(modules, self._folder))
        self._modules = tuple(modules)

    async def reload(self, modules: Sequence[str]) -> None:
        """Import modules anew, in a thread; raises `Invalid`, and all stays as it was."""
        async with self._reloading:
            self.use(await asyncio.to_thread(load, modules, self._folder, self._modules))
            self._modules = tuple(modules)

    def use(self, types: dict[str, DeviceType]) -> None:
        """Let these objects handle events from the next one on, in place of those before."""
        for name, handler in types.items():
            handler.gateway = Fleet(self._context, name, handler.ttl)
        self._types = dict(types)
        self._hearing_updates = frozenset(filter(lambda name: hears_updates(types[name]), types))
        if self._group is not None:
            self._hub.leave(self._group, self)
            self._group = None
        if types and not self._closing:
            view = _Handled(frozenset(types), self._context.describe)
            self._group = self._hub.join(_ENCODING, _EVERYTHING, view, self)

    # Events in

    def take(self, joined: list[_Event], seq: int) -> None:
        """Put what the hub shows into the lanes."""
        for event in joined:
            series, _, _, extra = event[0]
            if series.type in {"telemetry", "presence"}:
                self._put(series.device, event)
            elif self._hearing_updates and series.type == "command" and is_new_command(extra):
                self._hear(series.device, event)

    def _hear(self, device: str, event: _Event) -> None:
        """Pass on a command, unless a handler has sent it: that would go in a circle."""
        if msgspec.json.decode(event[1])["id"] in self._context.own:
            return
        described = self._context.describe(device)
        if described is not None and self._hearing_updates & {described.type, ANY}:
            self._put(device, event)

    def forget(self, device: str) -> None:
        """Let go what is kept of a removed device."""
        self._context.rooms.leave_all(device)
        lane = self._lanes.get(device)
        if lane is None:
            return
        self._waiting -= len(lane.events)
        lane.events.clear()
        lane.connected = False
        if lane.task is None:
            del self._lanes[device]

    def _put(self, device: str, event: _Event) -> None:
        lane = self._lanes.get(device)
        if lane is None:
            lane = self._lanes[device] = _Lane(device)
        if len(lane.events) >= LANE_EVENTS or self._waiting >= ALL_EVENTS:
            self._drop(lane)
        lane.events.append(event)
        self._waiting += 1
        if lane.task is None:
            lane.task = self._context.loop.create_task(
                self._work(lane), name=f"handlers of {device}"
            )

    def _drop(self, lane: _Lane) -> None:
        if not lane.events:
            return  # others take all the room; every device may have one event wait
        lane.events.popleft()
        self._waiting -= 1
        self.dropped += 1
        lane.dropped += 1
        if lane.dropped == 1:
            log.warning("handlers of %s do not keep up: its oldest events are dropped", lane.device)

    # Events out

    async def _work(self, lane: _Lane) -> None:
        try:
            while lane.events:
                event = lane.events.popleft()
                self._waiting -= 1
                await self._handle(lane, event)
                await asyncio.sleep(0)  # a handler that never waits must not keep the event loop
        finally:
            lane.task = None
            if lane.dropped:
                log.warning(
                    "handlers of %s keep up again; %d events were dropped",
                    lane.device,
                    lane.dropped,
                )
                lane.dropped = 0
            if not lane.connected and not lane.events:
                self._lanes.pop(lane.device, None)

    async def _handle(self, lane: _Lane, event: _Event) -> None:
        described = self._context.describe(lane.device)
        if described is None:
            return
        series, online = event[0][0], event[0][2] == '"online"'
        if series.type == "presence" and not (online or lane.connected):
            return  # of a time before the gateway began
        lane.connected = lane.connected or series.type == "presence"
        for type_ in dict.fromkeys((ANY, described.type)):
            if type_ in self._types:
                await self._dispatch(lane, self._types[type_], event)
        if series.type == "presence" and not online:
            lane.connected = False
            self._context.rooms.leave_all(lane.device)

    async def _dispatch(self, lane: _Lane, handler: DeviceType, event: _Event) -> None:
        """Call the method of a handler that an event is for, if it has one."""
        (series, _, value, _), data = event
        device = handler.gateway.device(lane.device)
        if series.type == "presence":
            name = "on_connect" if value == '"online"' else "on_disconnect"
            await self._run(lane, handler, name, (device,), None)
        elif series.type == "command":
            if handler.type in self._hearing_updates:
                update = (series.channel, msgspec.json.decode(value), device)
                await self._run(lane, handler, "on_update", update, series.channel)
        elif hasattr(handler, name := self._method(handler, series.channel)):
            given = (msgspec.json.decode(value), device)
            await self._run(lane, handler, name, given, series.channel)
        else:
            frame = (msgspec.json.decode(data), device)
            await self._run(lane, handler, "on_frame", frame, series.channel)

    def _method(self, handler: DeviceType, channel: str) -> str:
        """Return the name of the method for a channel; nothing, where it means something else."""
        name = method_name(channel)
        taken = name in _NOT_CHANNELS or (
            name == "on_update" and handler.type in self._hearing_updates
        )
        return "" if taken else name

    async def _run(
        self,
        lane: _Lane,
        handler: DeviceType,
        name: str,
        arguments: tuple[Any, ...],
        channel: str | None,
    ) -> None:
        """Call a method, if there is one, and do what it answers; what goes wrong is logged and
        costs this one event.
        """
        method: Callable[..., Any] | None = getattr(handler, name, None)
        if method is None:
            return
        lane.since = self._clock()
        try:
            answer = await self._call(method, arguments)
            if answer is not None:
                await self._answer(arguments[-1], answer, channel)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if self._closing and isinstance(error, asyncio.CancelledError):
                raise
            self.failed += 1
            trace = None if isinstance(error, GatewayError) else error
            what = repr(arguments[0])[:500] if channel is not None else ""
            log.error(
                "%s fails for device %s: %s %s: %s",
                *(method.__qualname__, lane.device, channel or "", what, repr(error)),
                exc_info=trace,
            )
        finally:
            lane.since = None
            lane.told = False

    def _call(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Awaitable[Any]:
        if inspect.iscoroutinefunction(method):
            coroutine: Awaitable[Any] = method(*arguments)
            return coroutine
        return self._threads.run(partial(method, *arguments))

    async def _answer(self, device: Device, answer: Any, channel: str | None) -> None:
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], str):
            name, value = answer
        elif channel is not None:
            name, value = channel, answer
        else:
            raise TypeError(
                f"a handler without a channel answers (name, value) or None, not {answer!r:.100}"
            )
        for pause in UNAVAILABLE_PAUSES:
            try:
                device.send(name, value)
            except Unavailable:  # the lane waits, and nobody else
                await asyncio.sleep(pause)
            else:
                return
        device.send(name, value)

    # Time

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """Look after handlers that take long."""
        self._threads.sweep()
        now = self._clock()
        for lane in self._lanes.values():
            if lane.since is not None and now - lane.since >= STUCK and not lane.told:
                lane.told = True
                log.warning(
                    "a handler of %s has been running for %d s",
                    lane.device,
                    (now - lane.since) // 1000,
                )

    async def close(self) -> None:
        """Handle no more; what runs is cancelled, and threads end with the process."""
        self._closing = True
        self.use({})
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE)
        self._threads.close()
