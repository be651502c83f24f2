"""The hub: every committed frame to whoever listens, encoded once, written once, and nothing for
the others.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.catalog import Catalog
from gateway.frames import Entry
from gateway.hub import Encoding, Hub
from gateway.hub import hub as module
from gateway.hub.hub import AHEAD
from gateway.store.history import Opened, Page
from gateway.topics import TopicFilter


class Eyes:
    """A view of all devices but the hidden ones."""

    def __init__(self, key: str = "user:1", hidden: Sequence[str] = ()) -> None:
        self.key = key
        self.hidden = set(hidden)

    def sees(self, device: str) -> bool:
        return device not in self.hidden

    def devices(self) -> None:
        return None


class Counter:
    """An encoding that counts how often it is asked."""

    def __init__(self) -> None:
        self.forms = 0
        self.joins = 0
        self.encoding = Encoding(self.form, self.join)

    def form(self, seq: int, entry: Entry, data: bytes) -> int:
        self.forms += 1
        assert json.loads(data)["seq"] == seq
        return seq

    def join(self, parts: list[int]) -> list[int]:
        self.joins += 1
        return list(parts)


class Sink:
    """A taker that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[list[int], int]] = []

    def take(self, joined: Any, seq: int) -> None:
        self.got.append((joined, seq))


async def no_history(cursor: int, upto: int, series: Sequence[int] | None, limit: int) -> Page:
    """Stand for a history that a test has no use for."""
    raise AssertionError("nobody asked for history")


@pytest.fixture
def hub() -> Hub:
    """An empty hub, at seq 10."""
    return Hub(epoch="e", seq=10, catalog=Catalog(Opened("e", 10, [], 0, [])), read=no_history)


def filters(*texts: str) -> frozenset[TopicFilter]:
    """Filters as a group has them."""
    return frozenset(map(TopicFilter, texts))


def frame(
    hub: Hub, device: str, channel: str, ts: int = 1, value: str = "1", type_: str = "telemetry"
) -> Entry:
    """An entry of a series."""
    return hub.catalog.series(type_, device, channel), ts, value, ""


def show(hub: Hub, *frames: Entry) -> None:
    """Publish as the intake does, each batch after the other."""
    hub.publish(hub.seq + 1, frames)


def test_listeners_alike_share_the_work(hub: Hub) -> None:
    """Same encoding, filters and view: one form a frame, one join a batch, one write a taker."""
    counter, sinks = Counter(), [Sink() for _ in range(50)]
    groups = {id(hub.join(counter.encoding, filters("k/+", "l/#"), Eyes(), sink)) for sink in sinks}
    show(hub, frame(hub, "k", "a"), frame(hub, "m", "a"), frame(hub, "l", "a/b"))
    assert len(groups) == 1
    assert (counter.forms, counter.joins) == (2, 1)
    assert all(sink.got == [([11, 13], 13)] for sink in sinks)
    assert (hub.listeners, hub.frames_out, hub.seq) == (50, 100, 13)


def test_one_form_for_different_filters(hub: Hub) -> None:
    """The form of a frame is made once however many groups get it; a match with two filters is
    one frame.
    """
    counter, one, two, three = Counter(), Sink(), Sink(), Sink()
    hub.join(counter.encoding, filters("k/+"), Eyes(), one)
    hub.join(counter.encoding, filters("k/a", "+/a"), Eyes(), two)
    hub.join(counter.encoding, filters("k/a"), Eyes("user:2", hidden="k"), three)
    show(hub, frame(hub, "k", "a"))
    assert counter.forms == 1
    assert one.got == two.got == [([11], 11)]
    assert three.got == []


def test_nobody_listens(hub: Hub) -> None:
    """A frame nobody listens to moves seq and the latest, and costs no form."""
    counter, sink = Counter(), Sink()
    hub.join(counter.encoding, filters("other/#"), Eyes(), sink)
    show(hub, frame(hub, "k", "a"))
    assert (counter.forms, sink.got, hub.seq) == (0, [], 11)
    assert hub.catalog.series("telemetry", "k", "a").latest_seq == 11


def test_coming_and_going(hub: Hub) -> None:
    """A taker has what is shown between `join` and `leave`; the last to leave takes the group with
    it.
    """
    counter, first, second = Counter(), Sink(), Sink()
    show(hub, frame(hub, "k", "a"))
    group = hub.join(counter.encoding, filters("#"), Eyes(), first)
    show(hub, frame(hub, "k", "a"))
    assert hub.join(counter.encoding, filters("#"), Eyes(), second) is group
    show(hub, frame(hub, "k", "a"))
    hub.leave(group, first)
    hub.leave(group, first)
    show(hub, frame(hub, "k", "a"))
    hub.leave(group, second)
    generation = hub.generation
    hub.leave(group, second)
    assert hub.generation == generation
    show(hub, frame(hub, "k", "a"))
    assert [seq for _, seq in first.got] == [12, 13]
    assert [seq for _, seq in second.got] == [13, 14]
    assert (hub.listeners, hub._groups) == (0, {})
    assert hub.catalog.series("telemetry", "k", "a").groups == ()


def test_leaving_an_old_group_leaves_the_new_one_alone(hub: Hub) -> None:
    """A group that was emptied and made anew is another group."""
    counter, sink = Counter(), Sink()
    old = hub.join(counter.encoding, filters("#"), Eyes(), sink)
    hub.leave(old, sink)
    hub.join(counter.encoding, filters("#"), Eyes(), sink)
    hub.leave(old, sink)
    show(hub, frame(hub, "k", "a"))
    assert sink.got == [([11], 11)]


def test_permissions_change_at_once(hub: Hub) -> None:
    """After `invalidate` the next frame goes to those who may see it then."""
    counter, sink, eyes = Counter(), Sink(), Eyes()
    hub.join(counter.encoding, filters("#"), eyes, sink)
    show(hub, frame(hub, "k", "a"))
    eyes.hidden.add("k")
    hub.invalidate()
    show(hub, frame(hub, "k", "a"))
    eyes.hidden.clear()
    hub.invalidate()
    show(hub, frame(hub, "k", "a"))
    assert [seq for _, seq in sink.got] == [11, 13]


def test_a_taker_that_raises_is_let_go(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """One broken listener costs nobody else a frame, now or later."""

    class Broken:
        def take(self, joined: Any, seq: int) -> None:
            raise RuntimeError("broken")

    counter, before, after = Counter(), Sink(), Sink()
    for taker in (before, Broken(), after):
        hub.join(counter.encoding, filters("#"), Eyes(), taker)
    show(hub, frame(hub, "k", "a"))
    show(hub, frame(hub, "k", "a"))
    assert before.got == after.got == [([11], 11), ([12], 12)]
    assert hub.listeners == 2
    assert [record.message for record in caplog.records] == ["a listener is let go"]


def test_a_taker_may_leave_while_it_takes(hub: Hub) -> None:
    """Falling behind in the middle of a batch disturbs nobody."""
    counter, other = Counter(), Sink()

    class Slow(Sink):
        def take(self, joined: Any, seq: int) -> None:
            super().take(joined, seq)
            hub.leave(group, self)

    slow = Slow()
    group = hub.join(counter.encoding, filters("#"), Eyes(), slow)
    hub.join(counter.encoding, filters("#"), Eyes(), other)
    show(hub, frame(hub, "k", "a"), frame(hub, "k", "b"))
    show(hub, frame(hub, "k", "a"))
    assert slow.got == [([11, 12], 12)]
    assert len(other.got) == 2


def test_latest_is_by_time(hub: Hub) -> None:
    """The greatest ts is the latest, the greater seq among equals, and an old measurement that
    comes late is not.
    """
    for ts, value in ((5, "1"), (5, "2"), (4, "3")):
        show(hub, frame(hub, "k", "a", ts, value))
    series = hub.catalog.series("telemetry", "k", "a")
    assert (series.latest_seq, series.latest_ts) == (12, 5)
    assert series.latest == series.json(12, 5, "2", "")


async def test_what_says_how_things_are(hub: Hub) -> None:
    """Snapshots hold telemetry and presence that match and may be seen; commands and replies are
    over.
    """
    for device, channel, type_ in (
        ("k", "a", "telemetry"),
        ("k", "status", "presence"),
        ("k", "led", "command"),
        ("k", "led", "reply"),
        ("secret", "a", "telemetry"),
        ("l", "b", "telemetry"),
    ):
        show(hub, frame(hub, device, channel, type_=type_))
    hub.catalog.series("telemetry", "k", "never")
    view = Eyes(hidden=["secret"])
    assert {s.path for s in hub.latest(filters("k/#", "secret/#"), view)} == {"k/a", "k/status"}
    named = {
        (s.type, s.path)
        for s in map(hub.catalog.get, await hub.matching(filters("k/#", "secret/#"), view) or [])
        if s
    }
    assert named == {
        ("telemetry", "k/a"),
        ("presence", "k/status"),
        ("command", "k/led"),
        ("reply", "k/led"),
        ("telemetry", "k/never"),
    }


async def test_waiting_for_the_next_frame(hub: Hub) -> None:
    """A long poll ends with the first frame that matches, and leaves nothing behind."""
    waiting = asyncio.create_task(hub.wait(filters("k/a"), Eyes()))
    while not hub.listeners:
        await asyncio.sleep(0)
    show(hub, frame(hub, "k", "b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    show(hub, frame(hub, "k", "a"))
    await waiting
    cancelled = asyncio.create_task(hub.wait(filters("k/a"), Eyes()))
    while not hub.listeners:
        await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    assert hub._groups == {}


def test_a_time_in_the_future_does_not_stop_the_latest(hub: Hub) -> None:
    """What is ahead of the clock gives way to what comes next; a few minutes are a clock's
    affair.
    """
    now = 1_763_673_303_000
    hub._clock = lambda: now
    series = hub.catalog.series("telemetry", "k", "a")
    show(hub, frame(hub, "k", "a", now + AHEAD + 1, "1"))
    show(hub, frame(hub, "k", "a", now, "2"))
    assert (series.latest_seq, series.latest_ts) == (12, now)
    show(hub, frame(hub, "k", "a", now + AHEAD, "3"))
    show(hub, frame(hub, "k", "a", now - 60_000, "4"))
    assert (series.latest_seq, series.latest_ts) == (13, now + AHEAD)


class Own(Eyes):
    """A view of some devices, which knows which."""

    def __init__(self, *devices: str) -> None:
        super().__init__("user:own")
        self.own = devices
        self.asked = 0

    def sees(self, device: str) -> bool:
        self.asked += 1
        return device in self.own

    def devices(self) -> tuple[str, ...]:
        return self.own


async def test_a_view_does_not_walk_what_it_may_not_see(hub: Hub) -> None:
    """A snapshot of everything costs its user's devices, however many others there are."""
    for number in range(500):
        show(hub, frame(hub, f"other-{number}", "a"))
    show(hub, frame(hub, "mine", "a"), frame(hub, "mine", "b"))
    view = Own("mine", "never-sent")
    assert {s.path for s in hub.latest(filters("#"), view)} == {"mine/a", "mine/b"}
    assert len(await hub.matching(filters("#", "+/a"), view) or []) == 2
    assert view.asked == 4


async def test_looking_for_series_lets_others_have_their_turn(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many channels times many filters are looked at in parts."""
    monkeypatch.setattr(module, "MATCHES_A_TURN", 10)
    for device in "klm":
        for channel in range(10):
            show(hub, frame(hub, device, str(channel)))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert await hub.matching(filters("#"), Eyes()) is None
    counting.cancel()
    assert turns >= 3


async def test_a_hundred_filters_over_many_series_leave_others_their_turns():
    """Between a thousand series and the next thousand, and at a cost that no filter adds to."""
    series = [(1 + n, "telemetry", f"d{n // 500}", f"c{n % 500}") for n in range(5_000)]
    hub = Hub(epoch="e", seq=0, catalog=Catalog(Opened("e", 0, series, 5_000, [])), read=None)
    filters = frozenset(TopicFilter(f"+/c{n}") for n in range(100))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    found = await hub.matching(filters, Eyes())
    beside.cancel()
    assert found is not None
    assert len(found) == 100 * 10
    assert turns >= 5
