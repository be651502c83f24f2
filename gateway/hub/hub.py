"""The hub: shows every committed frame to whoever listens, once, in order.

Listeners with the same filters, the same view and the same encoding are one `Group`: a frame is
made JSON once, its form once per encoding, a batch joined once per group, and each
listener gets one write. Which groups a series concerns is worked out once and kept on the series
until subscriptions or permissions change, so that a listener costs nothing for frames it does not
get. `publish` never awaits.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gateway.clock import now_ms
from gateway.hub.encoding import Encoding
from gateway.hub.pages import Pages
from gateway.topics import WILDCARDS, Matcher

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from gateway.catalog import Catalog
    from gateway.frames import Entry, Series
    from gateway.hub.pages import ReadHistory
    from gateway.shapes import Clock
    from gateway.topics import TopicFilter

log = logging.getLogger(__name__)

Filters: TypeAlias = "frozenset[TopicFilter]"

AHEAD = 300_000
"""ms that the time of a latest frame may be ahead of the clock. One further ahead gives way to
whatever comes next: a wrong time must not hide later values until it has come."""

MATCHES_A_TURN = 1_000
"""Series that are compared with filters before others have their turn."""

KEPT_VALUES = frozenset({"telemetry", "presence"})
"""The types whose latest frame says how things are; a command or a reply is over once it was shown.
"""


class View(Protocol):
    """What a principal may see. Equal keys see the same devices."""

    @property
    def key(self) -> Hashable: ...

    def sees(self, device: str) -> bool: ...


class IndexedView(View, Protocol):
    """A view that knows where to look for what it sees."""

    def devices(self) -> Iterable[str] | None:
        """Return the devices to look among; None: all there are."""


class Subscriber(Protocol):
    """Something in a group. `take` gets what `Encoding.join` made, up to and including frame `seq`;
    it never blocks.
    """

    def take(self, joined: Any, seq: int) -> None: ...


class Group:
    """Subscribers with the same encoding, filters and view."""

    __slots__ = ("encoding", "key", "matches", "parts", "subscribers", "view")

    def __init__(self, encoding: Encoding, filters: Filters, view: View) -> None:
        self.key = (encoding, filters, view.key)
        self.encoding = encoding
        self.matches = Matcher(filters).matches
        self.view = view
        self.subscribers: dict[Subscriber, None] = {}  # in order of arrival
        self.parts: list[Any] = []

    def wants(self, series: Series) -> bool:
        return self.view.sees(series.device) and self.matches(series.path)


class Hub:
    """Shows frames. `epoch` names the database, `seq` is the newest frame shown."""

    def __init__(
        self,
        *,
        epoch: str,
        seq: int,
        catalog: Catalog,
        read: ReadHistory,
        clock: Clock = now_ms,
    ) -> None:
        self.epoch = epoch
        self.seq = seq
        self.catalog = catalog
        self.read = read
        self.pages = Pages(read, catalog)
        self.frames_out = 0
        self._groups: dict[Hashable, Group] = {}
        self._generation = 0
        self._rights = 0
        self._clock = clock

    @property
    def listeners(self) -> int:
        """How many subscribers are live."""
        return sum(len(group.subscribers) for group in self._groups.values())

    def join(
        self, encoding: Encoding, filters: Filters, view: View, subscriber: Subscriber
    ) -> Group:
        """Let a subscriber have all matching frames after `seq`."""
        group = Group(encoding, filters, view)
        known = self._groups.setdefault(group.key, group)
        if known is group:
            self._generation += 1
        known.subscribers[subscriber] = None
        return known

    def leave(self, group: Group, subscriber: Subscriber) -> None:
        """Let a subscriber have no more frames; unknown ones are passed over."""
        group.subscribers.pop(subscriber, None)
        if not group.subscribers and self._groups.get(group.key) is group:
            del self._groups[group.key]
            self._generation += 1

    @property
    def generation(self) -> int:
        """Grows with every change of groups or permissions."""
        return self._generation

    @property
    def rights(self) -> int:
        """Grows with every change of permissions."""
        return self._rights

    def invalidate(self) -> None:
        """Permissions have changed: work out anew who gets what."""
        self._generation += 1
        self._rights += 1

    def publish(self, first: int, entries: Sequence[Entry]) -> None:
        """Show committed frames, the first of which is `first`."""
        seq, believable = first - 1, self._clock() + AHEAD
        generation = self._generation
        dirty: list[Group] = []
        for entry in entries:
            seq += 1
            series, ts, value, extra = entry
            data = (
                f'{series.head}{seq}{series.middle}{ts},"value":{value}{extra}}}'.encode()
            )  # Series.json, in place
            if ts >= series.latest_ts or series.latest_ts > believable:
                series.latest, series.latest_ts, series.latest_seq = data, ts, seq
            if series.generation != generation:
                self._resolve(series)
            for encoding, groups in series.groups:
                form = encoding.frame(seq, entry, data)
                for group in groups:
                    if not group.parts:
                        dirty.append(group)
                    group.parts.append(form)
        self.seq = seq
        for group in dirty:
            self._flush(group, seq)

    def _flush(self, group: Group, seq: int) -> None:
        joined = group.encoding.join(group.parts)
        self.frames_out += len(group.parts) * len(group.subscribers)
        group.parts = []
        for subscriber in list(group.subscribers):
            try:
                subscriber.take(joined, seq)
            except Exception:  # costs this one its frames, and nobody else anything
                log.exception("a listener is let go")
                self.leave(group, subscriber)

    def _resolve(self, series: Series) -> None:
        by_encoding: dict[Encoding, list[Group]] = {}
        for group in self._groups.values():
            if group.wants(series):
                by_encoding.setdefault(group.encoding, []).append(group)
        series.groups = tuple(by_encoding.items())
        series.generation = self._generation

    def latest(self, filters: Filters, view: IndexedView) -> list[Series]:
        """Return the series that match, are seen, and say how things are; in no particular
        order.
        """
        matches = Matcher(filters).matches
        return [
            series
            for device in self._devices(filters, view)
            for series in self.catalog.of_device(device)
            if series.latest is not None and series.type in KEPT_VALUES and matches(series.path)
        ]

    async def matching(self, filters: Filters, view: IndexedView) -> list[int] | None:
        """Return the ids of the series that match and are seen; None for all there are.

        It lets others have their turn between one device and the next.
        """
        found, work, matches = list[int](), 0, Matcher(filters).matches
        for device in self._devices(filters, view):
            of_device = self.catalog.of_device(device)
            found += [series.id for series in of_device if matches(series.path)]
            work += len(of_device)
            if work >= MATCHES_A_TURN:
                work = 0
                await asyncio.sleep(0)
        return found if len(found) < len(self.catalog) else None

    def _devices(self, filters: Filters, view: IndexedView) -> list[str]:
        """Return the devices that are seen and that a filter may match."""
        named = {topic_filter.levels[0] for topic_filter in filters}
        if named.isdisjoint(WILDCARDS):
            return [device for device in named if view.sees(device)]
        those = view.devices()
        return [d for d in (self.catalog.devices() if those is None else those) if view.sees(d)]

    async def wait(self, filters: Filters, view: View) -> None:
        """Return when the next matching frame is shown."""
        waiter = _Waiter()
        group = self.join(_SIGNAL, filters, view, waiter)
        try:
            await waiter.came.wait()
        finally:
            self.leave(group, waiter)


class _Waiter:
    def __init__(self) -> None:
        self.came = asyncio.Event()

    def take(self, joined: Any, seq: int) -> None:
        self.came.set()


_SIGNAL = Encoding(frame=lambda seq, entry, data: None, join=lambda parts: None)
