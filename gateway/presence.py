"""Presence: who is connected now, told in frames.

The truth is the links that bridges hold: a device is online while it has one. Every connection
begins a session, whose number grows and survives restarts, and is told by an `online` frame; the
end of the last one is told by an `offline` frame with its reason. What ends after its successor has
begun, as in a quick reconnect, is not told. Devices without a link are online by their own word
(`devices/{device}/status`, through an external broker) or for some time after each HTTP post.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from gateway.broker.port import Departure
from gateway.deadlines import Deadlines
from gateway.errors import TooMany
from gateway.frames import session_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.catalog import Catalog
    from gateway.errors import GatewayError
    from gateway.frames import Entry, Series
    from gateway.intake import Intake
    from gateway.links import Link, Reach
    from gateway.shapes import Clock

log = logging.getLogger(__name__)

Status: TypeAlias = Literal["online", "offline"]
Reason: TypeAlias = Departure | Literal["silent", "reported", "restart"]
"""Why a device is offline: its link's departure; no HTTP post in time; its own word or will; the
gateway began anew.
"""

SWEEP = 1.0  # s


class _State:
    __slots__ = ("links", "online", "reported", "seen", "session", "ts", "until")

    def __init__(self) -> None:
        self.links: list[Link] = []  # the newest last
        self.online = False
        self.reported = False  # online by its own word
        self.session = 0
        self.seen = 0  # ms
        self.until = 0  # ms; online for the sake of an HTTP post
        self.ts = 0  # of its newest frame


class Presence:
    """Keeps who is online. `clock`: ms since 1970 UTC; `http_timeout`: seconds. Call `start` before
    any link.
    """

    def __init__(
        self, *, intake: Intake, catalog: Catalog, clock: Clock, http_timeout: float
    ) -> None:
        self._intake = intake
        self._catalog = catalog
        self._clock = clock
        self._http_timeout = round(http_timeout * 1000)
        self._states: dict[str, _State] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._elsewhere: Callable[[str], Sequence[Link]] = _nowhere

    def start(self) -> None:
        """Take up the sessions where they were, and mark offline who was online when the gateway
        ended.
        """
        now = self._clock()
        for series in list(self._catalog.all()):
            if series.type == "presence" and series.latest is not None:
                self._recall(series, series.latest)
        for device, state in self._states.items():
            if state.online:
                self._intake.submit(self._end(device, state, "restart", now))

    def _recall(self, series: Series, latest: bytes) -> None:
        frame: dict[str, Any] = msgspec.json.decode(latest)
        state = self._states[series.device] = _State()
        state.session = frame.get("session", 0)
        state.online = frame["value"] == "online"
        state.seen = frame.get("seen", frame["ts"])
        state.ts = frame["ts"]

    # What bridges tell

    def connected(self, link: Link) -> None:
        """A device's link has begun."""
        state = self._state(link.device)
        state.links.append(link)
        self._intake.submit(self._begin(link.device, state, self._clock()))

    def disconnected(self, link: Link, reason: Departure) -> None:
        """A link has ended; one that is not known is passed over."""
        state = self._states.get(link.device)
        if state is None or link not in state.links:
            return
        state.links.remove(link)
        state.seen = self._clock()
        if not state.links:
            self._intake.submit(self._end(link.device, state, reason, state.seen))

    def seen(self, device: str) -> None:
        """A device has posted over HTTP."""
        state = self._state(device)
        state.seen = now = self._clock()
        if state.links:
            return
        state.until = now + self._http_timeout
        if not state.online:
            self._deadlines.set(device, state.until)
            self._intake.submit(self._begin(device, state, now))

    def reported(self, device: str, status: Status, now: int) -> list[Entry]:
        """Return the frame to store for what a device, or its will, says on
        `devices/{device}/status`.

        There is none where that is nothing new. While the device has a link, the link tells, not
        the device.
        """
        state = self._state(device)
        if state.links:
            return []
        state.seen = now
        state.reported = status == "online"
        if state.online == state.reported:
            return []
        return (
            self._begin(device, state, now)
            if state.reported
            else self._end(device, state, "reported", now)
        )

    # What others ask

    def links(self, device: str) -> Sequence[Link]:
        """Return a device's links, the newest first."""
        state = self._states.get(device)
        return state.links[::-1] if state is not None else ()

    def reach(self, device: str) -> Sequence[Link]:
        """Return how to send something to a device: its links, or what stands in for them."""
        return self.links(device) or self._elsewhere(device)

    def stand_in(self, links: Reach) -> None:
        """Let these be the links of a device that has none: behind another broker, any device may
        be listening.
        """
        self._elsewhere = links

    def is_online(self, device: str) -> bool:
        state = self._states.get(device)
        return state is not None and state.online

    def online(self) -> Iterator[str]:
        """Every device that is online."""
        return (device for device, state in self._states.items() if state.online)

    def last_seen(self, device: str) -> int | None:
        """Return when a device was last heard of, in ms: now, for one with a link; None if
        never.
        """
        now = self._clock()
        state = self._states.get(device)
        if state is not None and state.links:
            return now
        heard = [
            s.latest_ts
            for s in self._catalog.of_device(device)
            if s.type == "telemetry" and s.latest is not None
        ]
        if state is not None and state.seen:
            heard.append(state.seen)
        return min(max(heard), now) if heard else None

    def forget(self, device: str, error: GatewayError) -> None:
        """Close the links of a removed device, and tell no more of it."""
        links = self.links(device)
        self._states.pop(device, None)
        self._deadlines.discard(device)
        for link in links:
            link.close(error)

    # Time

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """Mark offline the devices that have not posted over HTTP in time."""
        now = self._clock()
        for device in list(self._deadlines.take(now)):
            state = self._states[device]
            if state.links or state.reported or not state.online:
                continue
            if state.until > now:
                self._deadlines.set(device, state.until)
            else:
                self._intake.submit(self._end(device, state, "silent", now))

    # Frames

    def _state(self, device: str) -> _State:
        state = self._states.get(device)
        if state is None:
            state = self._states[device] = _State()
        return state

    def _begin(self, device: str, state: _State, now: int) -> list[Entry]:
        state.online = True
        state.session += 1
        state.seen = now
        return self._frame(device, state, now, session_extra(state.session))

    def _end(self, device: str, state: _State, reason: Reason, now: int) -> list[Entry]:
        state.online = state.reported = False
        state.until = 0
        # the time of a restart says when the gateway began, not when the device ended
        seen = state.seen if reason == "restart" else None
        return self._frame(device, state, now, session_extra(state.session, reason, seen))

    def _frame(self, device: str, state: _State, now: int, extra: str) -> list[Entry]:
        state.ts = max(
            now, state.ts
        )  # the newest frame is the latest, also when the clock was set back
        try:
            series = self._catalog.series("presence", device, "status")
        except TooMany as error:
            log.warning("no presence frame: %s", error)
            return []
        return [(series, state.ts, '"online"' if state.online else '"offline"', extra)]


def _nowhere(device: str) -> Sequence[Link]:
    return ()
