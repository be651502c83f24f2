"""A listener: subscriptions, and somewhere to write.

It is *live* while it takes what the hub shows. It is *behind* when it gave a cursor or does
not read fast enough: then it reads pages of history, as fast as its peer takes them, until it has
reached the hub, and goes live in that same step of the event loop: no gap, no duplicate, in order,
and no queue of its own.

Each subscription knows how far it has been given what it is due. The next page begins where the
least of them is, and is read for those that are there: the others wait until it has reached them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import FutureCursor, StoreError
from gateway.hub import pages
from gateway.hub.pages import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.frames import Series
    from gateway.hub.encoding import Encoding
    from gateway.hub.hub import Filters, Group, Hub, IndexedView
    from gateway.hub.pages import Formed
    from gateway.hub.subscription import Subscription

log = logging.getLogger(__name__)

RETRY = 1.0  # s
BACKLOG = 1 << 20  # bytes a peer may leave unread before its listener is behind


class Outlet(Protocol):
    """Where a listener writes. `write` never blocks."""

    def write(self, data: Any) -> None: ...

    def backlog(self) -> int:
        """Bytes written that the peer's socket has not yet taken."""

    async def drained(self) -> None:
        """Return when the backlog is small; raises `ConnectionError` when the peer is gone."""


class Listener:
    """One consumer of frames. Let `run` be a task for as long as the listener lives."""

    def __init__(self, hub: Hub, outlet: Outlet, encoding: Encoding, view: IndexedView) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self._hub = hub
        self._outlet = outlet
        self._encoding = encoding
        self._view = view
        self._group: Group | None = None
        self._behind = asyncio.Event()
        self._changes = 0
        self._failure: Exception | None = None
        self._wanted: tuple[object, list[int] | None] = (None, None)

    @property
    def live(self) -> bool:
        """It takes what the hub shows, or has nothing to take."""
        return not self._behind.is_set()

    @property
    def cursor(self) -> int:
        """Up to which seq it has had everything that is read from history."""
        return min((s.sent for s in self._punctual()), default=self._hub.seq)

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
        subscription.begin(start, self._hub.seq)
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
        new = self.subscriptions[key]
        if new.snapshot:
            others = [s for s in self.subscriptions.values() if s is not new]
            self._write_latest(
                [
                    series
                    for series in self._latest([new])
                    if not new.shows(series)
                    and not any(s.shows(series) or _showed(s, series) for s in others)
                ]
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
        try:
            self._outlet.write(joined)
        except Exception as error:  # costs this one its frames, and nobody else anything
            self._fail(error)
            return
        if self._outlet.backlog() > BACKLOG:
            self._pause()
            self._fall_behind()

    def _fail(self, error: Exception) -> None:
        self.close()
        self._failure = error
        self._behind.set()

    async def run(self) -> None:
        """Catch up whenever behind, until cancelled or the peer is gone.

        Raises what the outlet has failed with: its connection should end then.
        """
        while True:
            await self._behind.wait()
            if self._failure is not None:
                raise self._failure
            try:
                await self._outlet.drained()
            except ConnectionError:
                self.close()
                return
            if self.live:  # subscriptions have changed while the peer read
                continue
            try:
                await self._catch_up()
            except StoreError as error:
                log.warning("a listener waits: history cannot be read: %s", error)
                await asyncio.sleep(RETRY)

    def _pause(self) -> None:
        self._changes += 1
        if self._group is None:
            return
        self._hub.leave(self._group, self)
        self._group = None
        for subscription in self.subscriptions.values():
            subscription.sent = self._hub.seq

    def _resume(self) -> None:
        if self.cursor < self._hub.seq:
            self._behind.set()
            return
        if self._outlet.backlog() <= BACKLOG:
            self._show_the_present()
        if self._outlet.backlog() <= BACKLOG:
            self._go_live()
        else:
            self._fall_behind()

    def _fall_behind(self) -> None:
        """Let the peer read first; meanwhile newer frames replace older ones for `latest`."""
        for subscription in self.subscriptions.values():
            subscription.late = subscription.mode == "latest"
        if self.subscriptions:
            self._behind.set()
        else:
            self._behind.clear()

    def _go_live(self) -> None:
        self._behind.clear()
        if self.subscriptions:
            filters = _filters(self.subscriptions.values())
            self._group = self._hub.join(self._encoding, filters, self._view, self)

    def _show_the_present(self) -> None:
        late = [s for s in self.subscriptions.values() if s.late]
        punctual = self._punctual()
        self._write_latest(
            [
                series
                for series in self._latest(late)
                if any(series.latest_seq > s.sent and s.matches(series) for s in late)
                and not any(s.shows(series) for s in punctual)
            ]
        )
        for subscription in late:
            subscription.replaced(self._hub.seq)

    def _punctual(self) -> list[Subscription]:
        return [s for s in self.subscriptions.values() if not s.late]

    async def _catch_up(self) -> None:
        """Write one page of what is due, or what there is now if nothing else is."""
        for subscription in self.subscriptions.values():
            if subscription.mode == "latest" and self._hub.seq - subscription.sent > pages.PAGE:
                subscription.late = True
        punctual, cursor = self._punctual(), self.cursor
        if cursor == self._hub.seq:
            self._resume()
            return
        reading = [s for s in punctual if s.sent == cursor]
        upto = min((s.sent for s in punctual if s.sent > cursor), default=self._hub.seq)
        await self._read(reading, cursor, upto)

    async def _read(self, reading: list[Subscription], cursor: int, upto: int) -> None:
        changes, filters = self._changes, _filters(reading)
        asker = (filters, self._view.key, self._hub.rights, self._hub.catalog.changes)
        series = await self._series(asker, filters)
        page = await self._hub.pages.get(Question(self._encoding, asker, series, cursor, upto))
        if changes != self._changes:  # subscriptions changed meanwhile: begin again
            return
        if page.floor > cursor and self._encoding.gap is not None:
            self._outlet.write(self._encoding.gap(cursor + 1, page.floor))
        self._write([frame.form for frame in page.frames if self._is_due(frame, reading)])
        for subscription in reading:
            subscription.sent = page.reached
        self._resume()

    async def _series(self, asker: object, filters: Filters) -> list[int] | None:
        """Return the ids of the series that history is read for; None for all."""
        if self._wanted[0] != asker:
            self._wanted = (asker, await self._hub.matching(filters, self._view))
        return self._wanted[1]

    def _is_due(self, frame: Formed, reading: list[Subscription]) -> bool:
        seq, series = frame.seq, frame.series
        if self._hub.catalog.get(series.id) is not series or not self._view.sees(series.device):
            return False
        if len(self.subscriptions) == 1:
            return True
        return any(s.matches(series) for s in reading) and not any(
            s.has(seq, series) for s in self.subscriptions.values()
        )

    def _latest(self, subscriptions: list[Subscription]) -> list[Series]:
        if not subscriptions:
            return []
        found = self._hub.latest(_filters(subscriptions), self._view)
        return sorted(found, key=lambda series: series.latest_seq)

    def _write_latest(self, found: list[Series]) -> None:
        self._write(
            [
                self._encoding.frame(s.latest_seq, (s, s.latest_ts, "", ""), s.latest)
                for s in found
                if s.latest is not None
            ]
        )

    def _write(self, forms: list[Any]) -> None:
        if forms:
            self._outlet.write(self._encoding.join(forms))


def _filters(subscriptions: Iterable[Subscription]) -> Filters:
    return frozenset(s.topic_filter for s in subscriptions)


def _showed(subscription: Subscription, series: Series) -> bool:
    """Tell whether a subscription began with the latest frame of a series."""
    return subscription.snapshot and subscription.matches(series)
