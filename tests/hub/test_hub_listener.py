"""Listeners: nothing is missed silently, nothing comes twice, in order, and no buffer grows.

The state machine at the end drives listeners through everything a client, the disk and the policy
can do, on a real history, and compares what they wrote with what they were due.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.catalog import Catalog
from gateway.errors import FutureCursor, StoreError
from gateway.frames import Entry
from gateway.hub import Encoding, Hub, Listener, pages
from gateway.hub import listener as listeners
from gateway.hub.subscription import Subscription
from gateway.store.history import Page
from gateway.store.sqlite import batch, history
from gateway.store.sqlite.database import open_sync
from gateway.topics import TopicFilter

Item = tuple[Literal["frame"], int, str, int] | tuple[Literal["gap"], int, int, int]


def _form(seq: int, entry: Entry, data: bytes) -> Item:
    assert json.loads(data)["seq"] == seq
    return "frame", seq, entry[0].path, len(data)


ENCODING = Encoding(frame=_form, join=list, gap=lambda first, last: [("gap", first, last, 0)])


class View:
    """Every device but the hidden ones."""

    key = "user:1"

    def __init__(self) -> None:
        self.hidden: set[str] = set()

    def sees(self, device: str) -> bool:
        return device not in self.hidden

    def devices(self) -> None:
        return None


class Peer:
    """An outlet whose peer reads when the test says so."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.unread: list[int] = []
        self.on_write: Callable[[list[Item], int], None] = lambda items, backlog: None
        self.gone = False
        self._drained = asyncio.Event()
        self._drained.set()

    @property
    def seqs(self) -> list[int]:
        return [item[1] for item in self.items if item[0] == "frame"]

    def write(self, data: list[Item]) -> None:
        self.on_write(data, self.backlog())
        self.items += data
        self.unread += [item[3] for item in data]
        if self.backlog() > listeners.BACKLOG // 2:
            self._drained.clear()

    def backlog(self) -> int:
        return sum(self.unread)

    def read(self, frames: int | None = None) -> None:
        del self.unread[:frames]
        if self.backlog() <= listeners.BACKLOG // 2:
            self._drained.set()

    def hang_up(self) -> None:
        self.gone = True
        self._drained.set()

    async def drained(self) -> None:
        await self._drained.wait()
        if self.gone:
            raise ConnectionResetError


class World:
    """A catalog, a history in a file of its own, and a hub; frames are committed, then shown."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.seq = 0
        self.unshown: list[tuple[int, list[Entry]]] = []
        self.reads = 0
        self.refusals: list[Exception] = []
        self.on_read: Callable[[Sequence[int] | None], None] = lambda series: None
        self.delays: Iterable[int] = iter(())
        self.catalog = Catalog(history.opened(db))
        self.hub = Hub(epoch="here", seq=0, catalog=self.catalog, read=self.read)
        self.view = View()

    async def read(self, cursor: int, upto: int, series: Sequence[int] | None, limit: int) -> Page:
        for _ in range(next(self.delays, 0)):
            await asyncio.sleep(0)
        self.reads += 1
        self.on_read(series)
        if self.refusals:
            raise self.refusals.pop()
        page = history.after(self.db, cursor, upto, series, limit)
        for _ in range(next(self.delays, 0)):
            await asyncio.sleep(0)
        return page

    def commit(self, *frames: tuple[str, int]) -> None:
        entries: list[Entry] = []
        for path, ts in frames:
            device, _, channel = path.partition("/")
            entries.append((self.catalog.series("telemetry", device, channel), ts, "1", ""))
        batch.append(self.db, self.seq + 1, entries, self.catalog.take_unsaved())
        self.unshown.append((self.seq + 1, entries))
        self.seq += len(entries)

    def show(self) -> None:
        for first, entries in self.unshown:
            self.hub.publish(first, entries)
        self.unshown.clear()

    def frames(self, *paths: str) -> None:
        for path in paths:
            self.commit((path, 1))
        self.show()

    def prune(self, upto: int) -> None:
        self.db.execute("UPDATE meta SET value=? WHERE key='floor'", (upto,))
        self.db.execute("DELETE FROM frames WHERE seq <= ?", (upto,))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty world."""
    with closing(open_sync(tmp_path / "a.db")) as db:
        yield World(db)


def listen(world: World) -> tuple[Listener, Peer]:
    """Return a listener and its peer, which reads only when told."""
    peer = Peer()
    return Listener(world.hub, peer, ENCODING, world.view), peer


def subscribe(
    listener: Listener,
    key: str,
    text: str,
    since: int | None = None,
    epoch: str | None = None,
    **options: Any,
) -> int:
    """Subscribe as a bridge does."""
    seq = listener.subscribe(key, Subscription(TopicFilter(text), **options), since, epoch)
    listener.begin(key)
    return seq


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class Running:
    """The task of a listener, for a while."""

    def __init__(self, listener: Listener) -> None:
        self._run: Awaitable[None] = listener.run()

    async def __aenter__(self) -> None:
        self._task = asyncio.ensure_future(self._run)

    async def __aexit__(self, *exception: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_live(world: World) -> None:
    """Without `since`: what matches after the subscription; history is not read."""
    listener, peer = listen(world)
    world.frames("k/a")
    async with Running(listener):
        assert subscribe(listener, "s", "k/+") == 1
        world.frames("k/a", "l/a", "k/b")
        await asyncio.sleep(0)
    assert peer.seqs == [2, 4]
    assert world.reads == 0


async def test_resume(world: World) -> None:
    """With `since`: every stored frame after it, then live, each once."""
    listener, peer = listen(world)
    world.frames(*["k/a", "l/a"] * 5)
    async with Running(listener):
        subscribe(listener, "s", "k/+", 4)
        world.frames("k/a")
        await until(lambda: listener.live)
        world.frames("k/a")
    assert (
        peer.items
        == [("frame", seq, "k/a", peer.items[0][3]) for seq in (5, 7, 9)] + peer.items[3:]
    )
    assert peer.seqs == [5, 7, 9, 11, 12]


async def test_made_early_subscribed_late(world: World) -> None:
    """A subscription is due nothing from between the connection and itself."""
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    async with Running(listener):
        subscribe(listener, "s", "#")
        assert listener.live
        world.frames("k/a")
        await asyncio.sleep(0)
    assert peer.seqs == [3]


async def test_the_oldest_subscription_ends(world: World) -> None:
    """What only a subscription that ended was due is not sent to the others."""
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    async with Running(listener):
        subscribe(listener, "old", "#", 0)
        subscribe(listener, "new", "#")
        listener.unsubscribe("old")
        await until(lambda: listener.live)
        world.frames("k/a")
    assert peer.items[0][:2] == ("frame", 3)


async def test_the_same_key_anew(world: World) -> None:
    """A key that is used again names the new subscription alone."""
    listener, peer = listen(world)
    world.frames("k/a", "l/a")
    async with Running(listener):
        subscribe(listener, "s", "#", 0)
        subscribe(listener, "s", "l/a")
        await until(lambda: listener.live)
        world.frames("k/a", "l/a")
    assert peer.seqs == [4]


async def test_live_again_while_the_peer_drains(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of subscriptions may bring a slow listener up to date before its peer has read:
    nothing comes twice.
    """
    monkeypatch.setattr(listeners, "BACKLOG", 200)
    listener, peer = listen(world)
    async with Running(listener):
        subscribe(listener, "s", "#")
        world.frames(*["k/a"] * 3)
        assert not listener.live
        await asyncio.sleep(0)
        listener.unsubscribe("s")
        subscribe(listener, "s", "#")
        world.frames("k/a")
        peer.read()
        await until(lambda: listener.live)
        world.frames("k/a")
        await asyncio.sleep(0)
    assert peer.seqs == [1, 2, 3, 4, 5]


async def test_slow_listener(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not read costs one backlog; afterwards everything comes from history, in order."""
    monkeypatch.setattr(listeners, "BACKLOG", 1_000)
    monkeypatch.setattr(pages, "PAGE", 7)
    listener, peer = listen(world)
    async with Running(listener):
        subscribe(listener, "s", "#")
        for _ in range(100):
            world.frames("k/a")
            await asyncio.sleep(0)
        assert not listener.live
        assert peer.backlog() <= 1_000 + 200
        while not listener.live:
            peer.read()
            await asyncio.sleep(0)
        world.frames("k/a")
    assert peer.seqs == list(range(1, 102))


async def test_gap(world: World) -> None:
    """What history no longer holds is said, from the first frame missed to the last one gone."""
    listener, peer = listen(world)
    world.frames(*["k/a"] * 10)
    world.prune(6)
    async with Running(listener):
        subscribe(listener, "s", "#", 2)
        await until(lambda: listener.live)
    assert peer.items[0] == ("gap", 3, 6, 0)
    assert peer.seqs == [7, 8, 9, 10]


async def test_pruned_before_it_was_shown(world: World) -> None:
    """History may be ahead of the hub: a gap ends where the hub is, and what is shown next still
    comes.
    """
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    world.commit(("k/a", 1))
    world.prune(3)
    async with Running(listener):
        subscribe(listener, "s", "#", 0)
        await until(lambda: listener.live)
        world.show()
    assert peer.items[0] == ("gap", 1, 2, 0)
    assert peer.seqs == [3]


async def test_another_epoch(world: World) -> None:
    """The cursor of another database is answered with a gap and everything there is."""
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    async with Running(listener):
        subscribe(listener, "s", "#", 900, "elsewhere")
        await until(lambda: listener.live)
    assert peer.items[0] == ("gap", 0, 0, 0)
    assert peer.seqs == [1, 2]


async def test_the_future(world: World) -> None:
    """A cursor that no frame has reached is refused, and what there was goes on."""
    listener, peer = listen(world)
    subscribe(listener, "s", "#")
    with pytest.raises(FutureCursor, match="1 is above the newest seq, 0"):
        subscribe(listener, "t", "#", 1, "here")
    world.frames("k/a")
    assert peer.seqs == [1]


async def test_snapshot(world: World) -> None:
    """The latest frame of each matching channel comes first, oldest first, and none twice."""
    listener, peer = listen(world)
    world.commit(("k/a", 5), ("k/b", 1), ("k/a", 4), ("l/a", 1))
    world.show()
    subscribe(listener, "s", "k/+", snapshot=True)
    subscribe(listener, "t", "+/a", snapshot=True)
    assert peer.seqs == [1, 2, 4]
    world.frames("k/a")
    assert peer.seqs == [1, 2, 4, 5]


async def test_snapshot_that_begins_late(world: World) -> None:
    """What is shown between the acknowledgement and `begin` comes once, not in the snapshot too."""
    listener, peer = listen(world)
    world.frames("k/a", "k/b")
    async with Running(listener):
        listener.subscribe("s", Subscription(TopicFilter("#"), snapshot=True))
        world.frames("k/a", "k/a")
        listener.begin("s")
        await until(lambda: listener.live)
    assert peer.seqs == [2, 3, 4]


async def test_latest_while_slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In mode `latest` newer frames replace older ones while the listener is slow; no gap, no
    history read.
    """
    monkeypatch.setattr(listeners, "BACKLOG", 200)
    listener, peer = listen(world)
    async with Running(listener):
        subscribe(listener, "s", "#", mode="latest")
        world.frames("k/a", "k/a", "k/a")
        assert not listener.live
        world.frames("k/a", "k/b", "k/a", "k/b", "k/a")
        world.prune(8)
        peer.read()
        await until(lambda: listener.live)
        world.frames("k/b")
    assert peer.items[3:] == [
        ("frame", seq, path, peer.items[0][3]) for seq, path in ((7, "k/b"), (8, "k/a"), (9, "k/b"))
    ]
    assert world.reads == 0


async def test_a_device_removed_while_reading(world: World) -> None:
    """Frames of a removed device are not shown any more, also where as many series are left as
    before.
    """
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    world.delays = iter([0, 3])
    async with Running(listener):
        subscribe(listener, "s", "k/+", 0)
        await until(lambda: world.reads)
        world.catalog.hide("k")
        world.frames("l/a")
        await until(lambda: listener.live)
    assert peer.seqs == []


async def test_the_peer_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose peer is gone ends, and leaves no group."""
    monkeypatch.setattr(listeners, "BACKLOG", 100)
    listener, peer = listen(world)
    subscribe(listener, "s", "#")
    world.frames("k/a", "k/a")
    peer.hang_up()
    await asyncio.wait_for(listener.run(), 10)
    world.frames("k/a")
    assert peer.seqs == [1, 2]
    assert (listener.subscriptions, world.hub._groups) == ({}, {})


async def test_history_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails for a while delays a listener; it does not leave it behind for ever."""
    monkeypatch.setattr(listeners, "RETRY", 0.001)
    world.refusals = [StoreError("disk I/O error")] * 2
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    async with Running(listener):
        subscribe(listener, "s", "#", 0)
        await until(lambda: listener.live)
        world.frames("k/a")
    assert peer.seqs == [1, 2, 3]
    assert len(caplog.records) == 2


async def test_what_catches_up_with_another_subscription_is_whole(world: World) -> None:
    """A `latest` subscription beside one that reads old frames misses nothing meanwhile, unless it
    is more than a page behind.
    """
    listener, peer = listen(world)
    world.frames("k/a", "k/a")
    async with Running(listener):
        subscribe(listener, "t", "k/a", mode="latest")
        subscribe(listener, "s", "l/a", 0)
        world.frames("k/a", "k/a", "l/a")
        await until(lambda: listener.live)
        subscribe(listener, "u", "#", 0)
        await until(lambda: listener.live)
    assert peer.seqs == [3, 4, 5, 1, 2]


async def test_old_frames_are_read_for_those_who_are_due_them(world: World) -> None:
    """History is read for the subscription that asked, not for those that are up to date."""
    listener, peer = listen(world)
    world.frames(*["k/a"] * 5, "l/a")
    asked: list[Sequence[int] | None] = []
    world.on_read = asked.append
    async with Running(listener):
        subscribe(listener, "t", "k/a")
        subscribe(listener, "s", "l/a", 0)
        await until(lambda: listener.live)
    assert peer.seqs == [6]
    assert asked == [[world.catalog.series("telemetry", "l", "a").id]]


async def test_a_broken_outlet_ends_its_listener(world: World) -> None:
    """It is told by `run`, so that the connection can be closed; the others go on."""
    listener, peer = listen(world)
    other, other_peer = listen(world)

    def broken(items: list[Item], backlog: int) -> None:
        raise ValueError("cannot be written")

    peer.on_write = broken
    subscribe(listener, "s", "#")
    subscribe(other, "s", "#")
    world.frames("k/a", "k/a")
    with pytest.raises(ValueError, match="cannot be written"):
        await asyncio.wait_for(listener.run(), 10)
    assert other_peer.seqs == [1, 2]
    assert world.hub.listeners == 1


PATHS = ["k/a", "k/b", "l/a", "l/b", "m/a"]
FILTERS = ["#", "k/+", "+/a", "l/b", "m/#", "none/#"]


class Due:
    """What one subscription is due, by the contract."""

    def __init__(self, subscription: Subscription, had: set[int]) -> None:
        self.subscription = subscription
        self.had: set[int] = set()  # sent while it was there
        self.excused = had  # pruned, or sent for another subscription before

    def wants(self, seq: int, path: str) -> bool:
        return seq > self.subscription.start and self.subscription.topic_filter.matches(path)

    def remembers(self, seq: int) -> bool:
        """Of what came before newer frames replaced older ones, any may come again."""
        return seq > self.subscription.whole and seq in self.had


class Client:
    """A listener, its peer, and a model of both."""

    def __init__(
        self, world: World, loop: asyncio.AbstractEventLoop, paths: dict[int, str]
    ) -> None:
        self.world = world
        self.paths = paths
        self.listener, self.peer = listen(world)
        self.peer.on_write = self.check
        self.task = loop.create_task(self.listener.run())
        self.due: dict[str, Due] = {}
        self.last = 0  # frames come in ascending order, until a subscription sets the cursor back
        self.beginning = False
        self.at_once = 0  # bytes of a snapshot, which a client gets when it asks
        self.failures: list[
            AssertionError
        ] = []  # the hub takes exceptions of a listener for the listener's affair

    def of(self, mode: str) -> list[Due]:
        return [due for due in self.due.values() if due.subscription.mode == mode]

    def check(self, items: list[Item], backlog: int) -> None:
        try:
            assert self.beginning or backlog <= listeners.BACKLOG + self.at_once, (
                "a buffer that grows"
            )
            self.at_once = sum(item[3] for item in items) if self.beginning else 0
            self.check_items(items)
        except AssertionError as error:
            self.failures.append(error)

    def check_items(self, items: list[Item]) -> None:
        for item in items:
            if item[0] == "gap":
                self.check_gap(item[1], item[2])
            else:
                self.check_frame(item[1], item[2])

    def check_gap(self, first: int, last: int) -> None:
        assert first <= last <= max(0, history.floor(self.world.db))
        assert any(
            due.subscription.start < last or due.subscription.start == -1 for due in self.of("all")
        )
        for due in self.due.values():
            due.excused.update(range(first, last + 1))

    def check_frame(self, seq: int, path: str) -> None:
        assert path == self.paths[seq]
        assert seq <= self.world.hub.seq
        assert path[0] not in self.world.view.hidden, "a frame of a device it may no longer see"
        wanting = [due for due in self.due.values() if due.wants(seq, path)]
        if self.beginning and not any(due.subscription.mode == "all" for due in wanting):
            snapshots = [
                due for due in self.due.values() if due.subscription.topic_filter.matches(path)
            ]
            assert snapshots, "a snapshot of what nobody subscribed to"
            for due in snapshots:
                due.had.add(seq)
            return
        assert wanting, "a frame nobody is due"
        assert not any(due.remembers(seq) for due in wanting), "a frame that was there before"
        if any(due.subscription.mode == "all" for due in wanting) or self.listener.live:
            assert seq > self.last, "a frame out of order"
        if any(due.subscription.mode == "all" for due in wanting):
            self.last = seq
        for due in wanting:
            due.had.add(seq)

    def subscribe(
        self, key: str, subscription: Subscription, since: int | None, epoch: str | None
    ) -> None:
        try:
            self.listener.subscribe(key, subscription, since, epoch)
        except FutureCursor:
            assert since is not None
            assert since > self.world.hub.seq
            return
        self.due.pop(key, None)
        had = {
            seq
            for due in self.due.values()
            for seq in due.had | due.excused
            if due.wants(seq, self.paths.get(seq, ""))
        }
        self.due[key] = Due(subscription, had)
        self.last = min(self.last, subscription.start)
        self.settle(lambda: self.listener.begin(key))

    def unsubscribe(self, key: str) -> None:
        found = self.due.pop(key, None)
        for due in self.of("latest"):  # a value may be said again when who said it has gone
            due.excused |= due.had
            due.had.clear()
        present = False

        def leave() -> None:
            nonlocal present
            present = self.listener.unsubscribe(key)

        self.settle(leave)
        assert present == (found is not None)

    def settle(self, change: Callable[[], object]) -> None:
        self.beginning = True
        change()
        self.beginning = False

    def missing(self) -> set[int]:
        owed = set()
        for due in self.of("all"):
            for seq, path in self.paths.items():
                if seq <= self.world.hub.seq and due.wants(seq, path):
                    owed |= {seq} - due.had - due.excused
        return owed

    def stale(self) -> set[int]:
        """The latest frames that a `latest` subscription has not had."""
        return {
            series.latest_seq
            for due in self.of("latest")
            for series in self.world.hub.latest(
                frozenset({due.subscription.topic_filter}), self.world.view
            )
            if due.wants(series.latest_seq, series.path)
            and series.latest_seq not in due.had | due.excused
        }


KEYS = st.sampled_from("stu")
WHO = st.integers(0, 2)


class Listeners(RuleBasedStateMachine):
    """Three listeners on one hub, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World(_memory())
        self.paths: dict[int, str] = {}
        self.optional: set[int] = set()  # could not be seen at some time: they may come or not
        self.clients = [self._client() for _ in range(3)]

    def _client(self) -> Client:
        return Client(self.world, self.loop, self.paths)

    def _tick(self, times: int) -> None:
        for _ in range(times):
            self.loop.run_until_complete(asyncio.sleep(0))

    @rule(
        who=WHO,
        key=KEYS,
        text=st.sampled_from(FILTERS),
        mode=st.sampled_from(["all", "all", "latest"]),
        snapshot=st.booleans(),
        since=st.none() | st.integers(0, 12),
        elsewhere=st.booleans(),
    )
    def subscribe(
        self,
        who: int,
        key: str,
        text: str,
        mode: Any,
        snapshot: bool,
        since: int | None,
        elsewhere: bool,
    ) -> None:
        if since is not None:
            snapshot = False
        epoch = "elsewhere" if elsewhere and since == 7 else None
        subscription = Subscription(TopicFilter(text), mode=mode, snapshot=snapshot)
        self.clients[who].subscribe(key, subscription, since, epoch)

    @rule(who=WHO, key=KEYS)
    def unsubscribe(self, who: int, key: str) -> None:
        self.clients[who].unsubscribe(key)

    @rule(
        frames=st.lists(
            st.tuples(st.sampled_from(PATHS), st.integers(0, 5)), min_size=1, max_size=6
        )
    )
    def commit(self, frames: list[tuple[str, int]]) -> None:
        for number, (path, _) in enumerate(frames, self.world.seq + 1):
            self.paths[number] = path
            if path[0] in self.world.view.hidden:
                self.optional.add(number)
        self.world.commit(*frames)

    @rule()
    def show(self) -> None:
        self.world.show()

    @precondition(lambda self: self.world.seq)
    @rule(part=st.integers(0, 10))
    def prune(self, part: int) -> None:
        floor = history.floor(self.world.db)
        self.world.prune(floor + (self.world.seq - floor) * part // 10)

    @rule(who=WHO, frames=st.integers(1, 8))
    def read(self, who: int, frames: int) -> None:
        self.clients[who].peer.read(frames)

    @rule(times=st.integers(1, 12), delays=st.lists(st.integers(0, 4), max_size=4))
    def tick(self, times: int, delays: list[int]) -> None:
        self.world.delays = iter(delays)
        self._tick(times)

    @rule(device=st.sampled_from("klm"))
    def change_permission(self, device: str) -> None:
        self.optional.update(seq for seq, path in self.paths.items() if path[0] == device)
        self.world.view.hidden ^= {device}
        self.world.hub.invalidate()

    @rule(who=WHO)
    def hang_up(self, who: int) -> None:
        client = self.clients[who]
        client.listener.close()
        client.task.cancel()
        self._tick(2)
        self.clients[who] = self._client()

    @invariant()
    def groups_are_those_of_live_listeners(self) -> None:
        live = [c for c in self.clients if c.listener.live and c.due]
        assert self.world.hub.listeners == len(live)
        assert all(group.subscribers for group in self.world.hub._groups.values())

    @invariant()
    def nobody_has_failed(self) -> None:
        for client in self.clients:
            for failure in client.failures:
                raise failure
        assert not any(client.task.done() for client in self.clients)

    def teardown(self) -> None:
        try:
            self.everybody_catches_up()
        finally:
            for client in self.clients:
                client.task.cancel()
            self.loop.run_until_complete(asyncio.wait([client.task for client in self.clients]))
            self.loop.close()
            self.world.db.close()

    def everybody_catches_up(self) -> None:
        self.world.show()
        for _ in range(1_000):
            for client in self.clients:
                client.peer.read()
            self._tick(1)
            if all(client.listener.live for client in self.clients):
                break
        self.nobody_has_failed()
        for client in self.clients:
            assert client.listener.live
            assert client.missing() <= self.optional
            assert client.stale() <= self.optional
            client.listener.close()
        assert self.world.hub._groups == {}


def _memory() -> sqlite3.Connection:
    return open_sync(Path(":memory:"))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages, windows and backlogs, so that a few frames reach every bound."""
    monkeypatch.setattr(pages, "PAGE", 3)
    monkeypatch.setattr(listeners, "BACKLOG", 300)
    monkeypatch.setattr(history, "WINDOW", 5)
    monkeypatch.setattr(history, "PAGE_BYTES", 2)


@pytest.mark.usefixtures("tiny")
class TestListeners(Listeners.TestCase):
    """Three listeners, and whatever may happen to them."""

    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.mark.usefixtures("tiny")
def test_since_beside_latest() -> None:
    """What a `latest` subscription was shown does not come again for another's `since`."""
    state = Listeners()
    state.subscribe(2, "t", "#", "latest", False, None, False)
    state.commit([("k/a", 0)])
    state.show()
    state.subscribe(2, "s", "#", "all", False, 0, False)
    state.nobody_has_failed()
    state.teardown()
    assert state.clients[2].peer.seqs == [1]


@pytest.mark.usefixtures("tiny")
def test_latest_of_a_slow_peer_beside_since() -> None:
    """A slow listener that is given another subscription still gets the latest value."""
    state = Listeners()
    state.commit([("k/a", 0)] * 5)
    state.commit([("k/a", 0)])
    state.subscribe(2, "t", "#", "latest", False, None, False)
    state.show()
    state.unsubscribe(2, "s")
    state.subscribe(2, "s", "l/b", "all", False, 0, False)
    state.teardown()
    assert state.clients[2].peer.seqs[-1] == 6
