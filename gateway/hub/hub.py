"""The hub: shows every committed frame to whoever listens, once, in order.

Listeners with the same filters, the same view and the same wire form are one `Group`: a frame is
encoded once, its wire form made once per kind of wire, a batch joined once per group, and each
listener gets one write. Which groups a series concerns is worked out once and kept on the series
until subscriptions or permissions change, so that a listener costs nothing for frames it does not
get. `publish` never awaits.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence

    from gateway.catalog import Catalog
    from gateway.frames import Entry, Series
    from gateway.store.history import Page
    from gateway.topics import TopicFilter

log = logging.getLogger(__name__)

Filters: TypeAlias = "frozenset[TopicFilter]"

KEPT_VALUES = frozenset({"telemetry", "presence"})
"""The types whose latest frame says how things are; a command or a reply is over once it was shown."""


class View(Protocol):
    """What a principal may see. Equal keys see the same devices."""

    @property
    def key(self) -> Hashable: ...

    def sees(self, device: str) -> bool: ...


class Wire(NamedTuple):
    """A form in which frames leave. `form` makes one frame's, `join` a batch of forms into what a
    taker takes.

    `gap` makes the notice that the frames from one seq to another are no longer in history, as a
    taker takes it.
    """

    form: Callable[[int, Entry, bytes], Any]  # seq, entry, JSON
    join: Callable[[list[Any]], Any]
    gap: Callable[[int, int], Any]


class Taker(Protocol):
    """Something in a group. `take` gets what `Wire.join` made, up to and including frame `seq`; it
    never blocks.
    """

    def take(self, joined: Any, seq: int) -> None: ...


class Group:
    """Takers with the same wire, filters and view."""

    __slots__ = ("filters", "key", "parts", "takers", "view", "wire")

    def __init__(self, wire: Wire, filters: Filters, view: View) -> None:
        self.key = (wire, filters, view.key)
        self.wire = wire
        self.filters = filters
        self.view = view
        self.takers: dict[Taker, None] = {}  # in order of arrival
        self.parts: list[Any] = []

    def wants(self, series: Series) -> bool:
        return self.view.sees(series.device) and wanted(self.filters, series)


def wanted(filters: Iterable[TopicFilter], series: Series) -> bool:
    """Tell whether any of the filters matches the series."""
    path = series.path
    return any(topic_filter.matches(path) for topic_filter in filters)


class ReadHistory(Protocol):
    """Read frames with cursor < seq <= upto, of some series or of all; see `store.history.after`."""

    def __call__(
        self, cursor: int, upto: int, series: Sequence[int] | None, limit: int
    ) -> Awaitable[Page]: ...


class Hub:
    """Shows frames. `epoch` names the database, `seq` is the newest frame shown."""

    def __init__(self, *, epoch: str, seq: int, catalog: Catalog, read: ReadHistory) -> None:
        self.epoch = epoch
        self.seq = seq
        self.catalog = catalog
        self.read = read
        self.frames_out = 0
        self._groups: dict[Hashable, Group] = {}
        self._generation = 0

    @property
    def listeners(self) -> int:
        """How many takers are live."""
        return sum(len(group.takers) for group in self._groups.values())

    def join(self, wire: Wire, filters: Filters, view: View, taker: Taker) -> Group:
        """Let a taker have all matching frames after `seq`."""
        group = Group(wire, filters, view)
        known = self._groups.setdefault(group.key, group)
        if known is group:
            self.invalidate()
        known.takers[taker] = None
        return known

    def leave(self, group: Group, taker: Taker) -> None:
        """Let a taker have no more frames; unknown ones are passed over."""
        group.takers.pop(taker, None)
        if not group.takers and self._groups.get(group.key) is group:
            del self._groups[group.key]
            self.invalidate()

    @property
    def generation(self) -> int:
        """Grows with every change of groups or permissions."""
        return self._generation

    def invalidate(self) -> None:
        """Groups or permissions have changed: work out anew who gets what."""
        self._generation += 1

    def publish(self, first: int, entries: Sequence[Entry]) -> None:
        """Show committed frames, the first of which is `first`."""
        seq = first - 1
        generation = self._generation
        dirty: list[Group] = []
        for entry in entries:
            seq += 1
            series, ts, value, extra = entry
            data = (
                f'{series.head}{seq}{series.middle}{ts},"value":{value}{extra}}}'.encode()
            )  # Series.json, in place
            if ts >= series.latest_ts:
                series.latest, series.latest_ts, series.latest_seq = data, ts, seq
            if series.generation != generation:
                self._resolve(series)
            for wire, groups in series.groups:
                form = wire.form(seq, entry, data)
                for group in groups:
                    if not group.parts:
                        dirty.append(group)
                    group.parts.append(form)
        self.seq = seq
        for group in dirty:
            self._flush(group, seq)

    def _flush(self, group: Group, seq: int) -> None:
        joined = group.wire.join(group.parts)
        self.frames_out += len(group.parts) * len(group.takers)
        group.parts = []
        for taker in list(group.takers):
            try:
                taker.take(joined, seq)
            except Exception:  # costs this one its frames, and nobody else anything
                log.exception("a listener is let go")
                self.leave(group, taker)

    def _resolve(self, series: Series) -> None:
        by_wire: dict[Wire, list[Group]] = {}
        for group in self._groups.values():
            if group.wants(series):
                by_wire.setdefault(group.wire, []).append(group)
        series.groups = tuple(by_wire.items())
        series.generation = self._generation

    def latest(self, filters: Filters, view: View) -> list[Series]:
        """Return the series that match, are seen, and say how things are; in no particular order."""
        return [
            series
            for series in self.catalog.all()
            if series.latest is not None
            and series.type in KEPT_VALUES
            and view.sees(series.device)
            and wanted(filters, series)
        ]

    def matching(self, filters: Filters, view: View) -> list[int]:
        """Return the ids of all series that match and are seen."""
        return [s.id for s in self.catalog.all() if view.sees(s.device) and wanted(filters, s)]

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


_SIGNAL = Wire(
    form=lambda seq, entry, data: None, join=lambda parts: None, gap=lambda first, last: None
)
