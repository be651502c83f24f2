"""A listener: subscriptions, a cursor, and somewhere to write.

It is *live* while it takes what the hub shows. It is *behind* when it asked for old frames or does
not read fast enough: then it reads history after its cursor, as fast as its peer takes it, until it
has reached the hub, and goes live in that same step of the event loop: no gap, no duplicate, in
order, and no queue of its own.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from gateway.errors import FutureCursor

if TYPE_CHECKING:
    from gateway.frames import Series
    from gateway.hub.hub import Group, Hub, View, Wire
    from gateway.store.history import Row
    from gateway.topics import TopicFilter

log = logging.getLogger(__name__)

RETRY = 1.0  # s
PAGE = 1_000  # frames read from history at a time
BACKLOG = 1 << 20  # bytes a peer may leave unread before its listener is behind


class Outlet(Protocol):
    """Where a listener writes. `write` never blocks."""

    def write(self, data: Any) -> None: ...

    def backlog(self) -> int:
        """Bytes written that the peer's socket has not yet taken."""

    async def drained(self) -> None:
        """Return when the backlog is small; raises `ConnectionError` when the peer is gone."""


class Subscription(msgspec.Struct):
    """One filter of a listener. `all` is due every matching frame with seq > `start`.

    `latest` is for those who show the present: while its listener is behind, newer frames of a
    series replace older. `sent`: it was given what it is due up to this seq, before the cursor was
    set back or the listener fell behind.
    """

    topic_filter: TopicFilter
    mode: Literal["all", "latest"] = "all"
    snapshot: bool = False
    start: int = 0
    sent: int = 0

    def matches(self, series: Series) -> bool:
        return self.topic_filter.matches(series.path)


class Listener:
    """One consumer of frames. `run` is to be a task for as long as the listener lives."""

    def __init__(self, hub: Hub, outlet: Outlet, wire: Wire, view: View) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.cursor = hub.seq
        self._hub = hub
        self._outlet = outlet
        self._wire = wire
        self._view = view
        self._group: Group | None = None
        self._behind = asyncio.Event()
        self._changes = 0
        self._wanted: tuple[object, list[int] | None] = (None, None)

    @property
    def live(self) -> bool:
        """It takes what the hub shows, or has nothing to take."""
        return not self._behind.is_set()

    def subscribe(
        self,
        key: str,
        subscription: Subscription,
        since: int | None = None,
        epoch: str | None = None,
    ) -> int:
        """Add a subscription, or replace the one of that key; return the hub's seq. Then call
        `begin`.

        With `since` it begins after that seq: raises `FutureCursor` where no frame is that new.
        With the `epoch` of another database it begins with the oldest frame there is.
        """
        start = self._start(since, epoch)
        self._pause()
        self.subscriptions.pop(key, None)
        subscription.start = subscription.sent = start
        if subscription.mode == "all" and start < self.cursor:
            for other in self.subscriptions.values():
                other.sent = max(other.sent, self.cursor)
            self.cursor = start
        self.subscriptions[key] = subscription
        return self._hub.seq

    def _start(self, since: int | None, epoch: str | None) -> int:
        if since is None:
            return self._hub.seq
        if epoch is not None and epoch != self._hub.epoch:
            return -1  # before everything: the listener is told of a gap, then gets what there is
        since = max(since, 0)
        if since > self._hub.seq:
            raise FutureCursor(
                f"{since} is above the newest seq, {self._hub.seq}: it is from another database"
            )
        return since

    def begin(self, key: str) -> None:
        """Send a new subscription's snapshot, if it wants one, and let frames flow."""
        subscription = self.subscriptions[key]
        if subscription.snapshot:
            self._write_latest(
                [s for s in self._latest([subscription]) if not self._shown(s, subscription)]
            )
        self._resume()

    def unsubscribe(self, key: str) -> bool:
        """Drop a subscription; tell whether there was one."""
        self._pause()
        found = self.subscriptions.pop(key, None)
        self._resume()
        return found is not None

    def close(self) -> None:
        """Take no more frames."""
        self._pause()
        self.subscriptions.clear()
        self._behind.clear()

    def take(self, joined: Any, seq: int) -> None:
        """Pass on what the hub shows; fall behind where the peer does not read."""
        self._outlet.write(joined)
        if self._outlet.backlog() > BACKLOG:
            self._pause()
            self._behind.set()

    async def run(self) -> None:
        """Catch up whenever behind, until cancelled or the peer is gone."""
        while True:
            await self._behind.wait()
            try:
                await self._outlet.drained()
            except ConnectionError:
                self.close()
                return
            if self.live:  # subscriptions have changed while the peer read
                continue
            try:
                await self._catch_up()
            except sqlite3.Error as error:
                log.warning("a listener waits: history cannot be read: %s", error)
                await asyncio.sleep(RETRY)

    def _pause(self) -> None:
        self._changes += 1
        if self._group is None:
            return
        self._hub.leave(self._group, self)
        self._group = None
        self.cursor = self._hub.seq
        for subscription in self._of_mode("latest"):
            subscription.sent = self.cursor

    def _resume(self) -> None:
        everything, latest = self._of_mode("all"), self._of_mode("latest")
        # What nobody is due any more is not read again.
        self.cursor = max(self.cursor, min((s.sent for s in everything), default=self._hub.seq))
        if self.subscriptions and (self.cursor < self._hub.seq or self._outlet.backlog() > BACKLOG):
            self._behind.set()
            return
        self._write_latest([s for s in self._latest(latest) if self._is_new(s, latest, everything)])
        self._behind.clear()
        if self.subscriptions:
            filters = frozenset(s.topic_filter for s in self.subscriptions.values())
            self._group = self._hub.join(self._wire, filters, self._view, self)

    def _of_mode(self, mode: str) -> list[Subscription]:
        return [s for s in self.subscriptions.values() if s.mode == mode]

    async def _catch_up(self) -> None:
        if not self._of_mode("all"):  # what there is for the others is in the catalog
            self._resume()
            return
        changes, upto = self._changes, self._hub.seq
        page = await self._hub.read(self.cursor, upto, self._series(), PAGE)
        if changes != self._changes:  # subscriptions changed meanwhile: begin again
            return
        if page.floor > self.cursor:
            self._outlet.write(self._wire.gap(self.cursor + 1, page.floor))
        self._write([row for row in page.rows if self._is_due(row)])
        self.cursor = page.reached
        self._resume()

    def _series(self) -> list[int] | None:
        """Return the ids of the series that history is read for; None for all."""
        key = (self._changes, self._hub.generation, self._hub.catalog.changes)
        if self._wanted[0] != key:
            filters = frozenset(s.topic_filter for s in self._of_mode("all"))
            ids = self._hub.matching(filters, self._view)
            self._wanted = (key, ids if len(ids) < len(self._hub.catalog) else None)
        return self._wanted[1]

    def _is_due(self, row: Row) -> bool:
        seq, series = row[0], self._hub.catalog.get(row[1])
        if series is None or not self._view.sees(series.device):
            return False
        if len(self.subscriptions) == 1:
            return True
        matching = [s for s in self._of_mode("all") if seq > s.start and s.matches(series)]
        return bool(matching) and all(seq > s.sent for s in matching)

    def _latest(self, subscriptions: list[Subscription]) -> list[Series]:
        if not subscriptions:
            return []
        found = self._hub.latest(frozenset(s.topic_filter for s in subscriptions), self._view)
        return sorted(found, key=lambda series: series.latest_seq)

    def _shown(self, series: Series, to: Subscription) -> bool:
        """Tell whether another subscription has sent the latest frame of a series, or this one or
        another will.
        """
        if series.latest_seq > to.start:
            return True
        others = (s for s in self.subscriptions.values() if s is not to and s.matches(series))
        return any(s.snapshot or series.latest_seq > s.start for s in others)

    def _is_new(
        self, series: Series, latest: list[Subscription], everything: list[Subscription]
    ) -> bool:
        """Tell whether a `latest` subscription has not had the latest frame of a series, nor any
        other has.
        """
        seq = series.latest_seq
        return any(seq > s.sent and s.matches(series) for s in latest) and not any(
            seq > s.start and s.matches(series) for s in everything
        )

    def _write_latest(self, found: list[Series]) -> None:
        self._write_forms(
            [
                self._wire.form(s.latest_seq, (s, s.latest_ts, "", ""), s.latest)
                for s in found
                if s.latest is not None
            ]
        )

    def _write(self, rows: list[Row]) -> None:
        forms = []
        for seq, number, ts, value, extra in rows:
            series = self._hub.catalog.get(number)
            if series is not None:
                forms.append(
                    self._wire.form(
                        seq, (series, ts, value, extra), series.json(seq, ts, value, extra)
                    )
                )
        self._write_forms(forms)

    def _write_forms(self, forms: list[Any]) -> None:
        if forms:
            self._outlet.write(self._wire.join(forms))
