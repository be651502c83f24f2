"""Presence: frames tell the truth about links, once, and in order."""

from __future__ import annotations

import pytest

from gateway.errors import Forbidden
from tests.rig import START, Clock, FakeLink, Rig, running


@pytest.fixture
async def rig(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as made:
        yield made


async def told(rig: Rig) -> list[tuple[object, ...]]:
    """Return status, session and reason of the kitchen's presence frames."""
    return [(f["value"], f["session"], f.get("reason")) for f in await rig.frames("presence")]


async def test_a_link_begins_and_ends(rig):
    """Connect and disconnect are frames, with the session's number and the reason."""
    link = FakeLink()
    rig.presence.connected(link)
    assert rig.presence.is_online("kitchen")
    assert list(rig.presence.online()) == ["kitchen"]
    rig.presence.disconnected(link, "keep_alive")
    assert not rig.presence.is_online("kitchen")
    assert await told(rig) == [("online", 1, None), ("offline", 1, "keep_alive")]


async def test_a_frame_has_the_keys_of_the_contract_in_order(rig):
    """A presence frame is the contract's, and its session follows the value."""
    rig.presence.connected(FakeLink())
    await rig.stored()
    series = rig.catalog.series("presence", "kitchen", "status")
    assert series.latest == (
        b'{"type":"presence","seq":1,"device":"kitchen","channel":"status","ts":%d,"value":"online","session":1}'
        % START
    )


async def test_a_quick_reconnect_stays_online(rig):
    """The old link's end, told after the new one has begun, makes no frame."""
    old, new = FakeLink(), FakeLink()
    rig.presence.connected(old)
    rig.presence.connected(new)
    rig.presence.disconnected(old, "taken_over")
    assert rig.presence.is_online("kitchen")
    assert list(rig.presence.links("kitchen")) == [new]
    assert await told(rig) == [("online", 1, None), ("online", 2, None)]


async def test_a_takeover_told_in_the_other_order_ends_online(rig):
    """The old link's end before the new one's begin is told, and then the return."""
    old, new = FakeLink(), FakeLink()
    rig.presence.connected(old)
    rig.presence.disconnected(old, "taken_over")
    rig.presence.connected(new)
    assert [value for value, *_ in await told(rig)] == ["online", "offline", "online"]


async def test_an_unknown_link_ends_silently(rig):
    """A link that was never told of, or has ended before, changes nothing."""
    link = FakeLink()
    rig.presence.disconnected(link, "lost")
    rig.presence.connected(link)
    rig.presence.disconnected(link, "lost")
    rig.presence.disconnected(link, "lost")
    assert len(await told(rig)) == 2


async def test_the_newest_link_comes_first(rig):
    """Commands go over the newest link."""
    one, two = FakeLink(), FakeLink()
    rig.presence.connected(one)
    rig.presence.connected(two)
    assert list(rig.presence.links("kitchen")) == [two, one]
    assert list(rig.presence.links("hall")) == []


async def test_an_http_device_is_online_for_a_while_after_each_post(rig):
    """It goes offline when the time is over since its last post, not since its first."""
    rig.presence.seen("kitchen")
    rig.clock.forward(50)
    rig.presence.seen("kitchen")
    rig.clock.forward(50)
    rig.presence.sweep()
    assert rig.presence.is_online("kitchen")
    rig.clock.forward(10)
    rig.presence.sweep()
    assert await told(rig) == [("online", 1, None), ("offline", 1, "silent")]
    assert rig.presence.last_seen("kitchen") == START + 50_000


async def test_a_link_outlives_the_time_after_a_post(rig):
    """Who posts over HTTP and then connects is online as long as it is connected."""
    rig.presence.seen("kitchen")
    link = FakeLink()
    rig.presence.connected(link)
    rig.clock.forward(61)
    rig.presence.sweep()
    assert rig.presence.is_online("kitchen")
    rig.presence.disconnected(link, "goodbye")
    assert not rig.presence.is_online("kitchen")


async def test_a_device_s_own_word_counts_where_it_has_no_link(rig):
    """Through an external broker, the status topic tells; saying the same again is nothing new."""
    now = rig.clock()
    first = rig.presence.reported("kitchen", "online", now)
    assert [(entry[2], entry[3]) for entry in first] == [('"online"', ',"session":1')]
    assert rig.presence.reported("kitchen", "online", now) == []
    last = rig.presence.reported("kitchen", "offline", now)
    assert [(entry[2], entry[3]) for entry in last] == [
        ('"offline"', ',"session":1,"reason":"reported"')
    ]
    assert rig.presence.reported("kitchen", "offline", now) == []


async def test_a_link_contradicts_the_device_s_word(rig):
    """A will that says offline makes no frame of its own: the link's end does, with the true
    reason.
    """
    link = FakeLink()
    rig.presence.connected(link)
    assert rig.presence.reported("kitchen", "offline", rig.clock()) == []
    rig.presence.disconnected(link, "lost")
    assert rig.presence.reported("kitchen", "offline", rig.clock()) == []
    assert await told(rig) == [("online", 1, None), ("offline", 1, "lost")]


async def test_a_restart_marks_everyone_offline_and_sessions_go_on(tmp_path):
    """Who was online when the gateway ended is offline until it returns, in a greater session."""
    clock = Clock()
    async with running(tmp_path / "a.db", clock) as rig:
        rig.presence.connected(FakeLink())
        rig.presence.connected(FakeLink("hall"))
        gone = FakeLink("board")
        rig.presence.connected(gone)
        rig.presence.disconnected(gone, "goodbye")
    clock.forward(100)
    async with running(tmp_path / "a.db", clock) as rig:
        assert list(rig.presence.online()) == []
        assert (await told(rig))[-1] == ("offline", 1, "restart")
        assert len(await rig.frames("presence", "board")) == 2
        assert rig.presence.last_seen("kitchen") == START
        rig.presence.connected(FakeLink())
        assert (await told(rig))[-1] == ("online", 2, None)


async def test_a_clock_set_back_leaves_the_newest_frame_the_latest(rig):
    """Presence is true also when the clock goes back between connect and disconnect."""
    link = FakeLink()
    rig.presence.connected(link)
    await rig.stored()
    rig.clock.forward(-3600)
    rig.presence.disconnected(link, "lost")
    await rig.stored()
    latest = rig.catalog.series("presence", "kitchen", "status").latest
    assert b'"value":"offline"' in latest


async def test_last_seen_knows_links_presence_and_telemetry(rig):
    """Now for the connected, else the last that was heard; None for the unknown."""
    assert rig.presence.last_seen("kitchen") is None
    await rig.telemetry("kitchen", "t", "1", ts=START - 5_000)
    assert rig.presence.last_seen("kitchen") == START - 5_000
    link = FakeLink()
    rig.presence.connected(link)
    rig.clock.forward(5)
    assert rig.presence.last_seen("kitchen") == START + 5_000
    rig.presence.disconnected(link, "lost")
    rig.clock.forward(5)
    assert rig.presence.last_seen("kitchen") == START + 5_000


async def test_a_reading_from_the_future_was_not_seen_in_the_future(rig):
    """A device's wrong clock does not make it seen later than now."""
    await rig.telemetry("kitchen", "t", "1", ts=START + 9_000_000)
    assert rig.presence.last_seen("kitchen") == START


async def test_a_removed_device_loses_every_link(rig):
    """Its links are closed, and nothing more is told of it."""
    one, two, error = FakeLink("hall"), FakeLink("hall"), Forbidden("no more")
    rig.presence.connected(one)
    rig.presence.connected(two)
    rig.presence.forget("hall", error)
    rig.presence.disconnected(one, "cut_off")
    assert one.closed is two.closed is error
    assert [f["value"] for f in await rig.frames("presence", "hall")] == ["online", "online"]


async def test_a_device_with_its_fill_of_channels_still_connects(rig):
    """Where no series can be made there is no frame, and the link lives."""
    for number in range(1_000):
        rig.catalog.series("telemetry", "kitchen", str(number))
    rig.presence.connected(FakeLink())
    assert rig.presence.is_online("kitchen")
    assert await rig.frames("presence") == []
