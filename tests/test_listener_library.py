"""`gateway.listener` against the gateway's end of the WebSocket."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import GatewayError, NoReply
from gateway.listener import Listener, ListenerRefused
from tests.frames_peer import FramesPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUICK = (0.001, 0.002)


@pytest.fixture
async def peer() -> AsyncIterator[FramesPeer]:
    """Answer a listener as the gateway does."""
    async with FramesPeer() as peer:
        yield peer


def listen(peer: FramesPeer, *filters: str, **options: Any) -> Listener:
    """Make a listener of the peer."""
    return Listener(peer.url, "good", *filters, retry=QUICK, **options)


async def take(listener: Listener, count: int) -> list[dict[str, Any]]:
    """Read so many frames and leave."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        async for frame in listener:
            frames.append(frame)
            if len(frames) == count:
                return frames
    raise AssertionError


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """Tell frames by their seq."""
    return [frame["seq"] for frame in frames]


async def test_gives_the_latest_then_live_frames(peer: FramesPeer) -> None:
    """Without a cursor the latest frame of each channel comes first, as the gateway sent it, then
    what happens.
    """
    peer.store("temperature")
    latest = [peer.store("temperature"), peer.store("humidity")]
    taking = asyncio.create_task(take(listen(peer, "kitchen/#"), 3))
    await peer.subscribed.wait()
    await peer.show("temperature", device="cellar")
    await peer.show("temperature")
    frames = await taking
    assert frames[:2] == latest
    assert frames[2]["seq"] == 5
    assert peer.subscriptions == [{"type": "subscribe", "id": "frames", "filter": "kitchen/#"}]


async def test_without_snapshot_only_what_happens(peer: FramesPeer) -> None:
    """`snapshot=False` leaves the latest frames out."""
    peer.store("temperature")
    taking = asyncio.create_task(take(listen(peer, snapshot=False), 1))
    await peer.subscribed.wait()
    await peer.show("humidity")
    assert numbers(await taking) == [2]
    assert peer.subscriptions[0]["snapshot"] is False


async def test_since_replays_history(peer: FramesPeer) -> None:
    """`since` gives every stored frame after it, in order."""
    for _ in range(5):
        peer.store("temperature")
    assert numbers(await take(listen(peer, since=2, epoch="one"), 3)) == [3, 4, 5]
    assert peer.subscriptions[0] | {"since": 2, "epoch": "one"} == peer.subscriptions[0]


async def test_since_is_where_another_listener_goes_on(peer: FramesPeer) -> None:
    """`since` and `epoch` of one listener are the cursor of the next: nothing twice, nothing
    missing.
    """
    peer.store("temperature")
    first = listen(peer)
    assert (first.since, first.epoch) == (None, None)
    await take(first, 1)
    peer.store("temperature")
    peer.store("temperature")
    assert (first.since, first.epoch) == (1, "one")
    assert numbers(await take(listen(peer, since=first.since, epoch=first.epoch), 2)) == [2, 3]


async def test_a_lost_connection_loses_and_doubles_nothing(peer: FramesPeer) -> None:
    """Cut after any number of frames, live or replayed, the listener goes on with the next
    frame.
    """
    chance = random.Random(5)
    taking = asyncio.create_task(take(listen(peer, snapshot=False), 200))
    await peer.subscribed.wait()
    for n in range(200):
        if n % 7 == 0:
            peer.cut_after = chance.randrange(1, 4)
        await peer.show("temperature")
    assert numbers(await taking) == list(range(1, 201))
    assert len(peer.subscriptions) > 1


async def test_goes_on_with_cursor_and_epoch(peer: FramesPeer) -> None:
    """A return asks for what came after the last frame, in the database it came from."""
    listener = listen(peer, "kitchen/+")
    taking = asyncio.create_task(take(listener, 2))
    await peer.subscribed.wait()
    await peer.show("temperature")
    await peer.drop()
    peer.refuse_next = [503, 502]
    peer.store("temperature")
    assert numbers(await taking) == [1, 2]
    assert peer.subscriptions[1] == {
        "type": "subscribe", "id": "frames", "filter": "kitchen/+", "since": 1, "epoch": "one",
    }  # fmt: skip


async def test_frames_missed_before_the_first_are_replayed(peer: FramesPeer) -> None:
    """A connection lost before any frame came resumes at the seq of its acknowledgement."""
    peer.store("temperature", device="cellar")
    taking = asyncio.create_task(take(listen(peer, "kitchen/#"), 1))
    await peer.subscribed.wait()
    await peer.drop()
    peer.store("temperature")
    assert numbers(await taking) == [2]


async def test_a_gap_is_told(peer: FramesPeer) -> None:
    """Where history was pruned the gap frame comes through, and the stream goes on behind it."""
    for _ in range(4):
        peer.store("temperature")
    del peer.frames[:2]
    listener = listen(peer, since=0, epoch="one")
    assert (await take(listener, 1)) == [{"type": "gap", "from": 1, "to": 2}]
    assert listener.since == 2


async def test_another_database_is_a_gap(peer: FramesPeer) -> None:
    """A gateway with a new database says gap, and later returns name the new epoch."""
    listener = listen(peer, since=90, epoch="gone")
    taking = asyncio.create_task(take(listener, 2))
    await peer.subscribed.wait()
    await peer.drop()
    peer.store("temperature")
    frames = await taking
    assert frames[0] == {"type": "gap", "from": 0, "to": 0}
    assert frames[1]["seq"] == 1
    assert peer.subscriptions[1] | {"since": 0, "epoch": "one"} == peer.subscriptions[1]


async def test_several_filters_give_each_frame_once(peer: FramesPeer) -> None:
    """Overlapping filters and lost connections neither double nor lose a frame; each filter keeps
    its order.
    """
    filters = ("kitchen/#", "+/temperature", "cellar/#")
    for n in range(60):
        peer.store(("temperature", "humidity")[n % 2], device=("kitchen", "cellar", "roof")[n % 3])
    expected = [
        frame
        for frame in peer.frames
        if frame["device"] != "roof" or frame["channel"] == "temperature"
    ]
    peer.cut_after = 9
    listener = listen(peer, *filters, since=0, epoch="one")
    frames = await take(listener, len(expected))
    assert sorted(numbers(frames)) == numbers(expected)
    kitchen = [frame["seq"] for frame in frames if frame["device"] == "kitchen"]
    assert kitchen == sorted(kitchen)
    assert listener.since is not None
    assert listener.since <= 60


async def test_the_same_filter_twice_is_one(peer: FramesPeer) -> None:
    """A repeated filter asks for nothing more."""
    peer.store("temperature")
    await take(listen(peer, "#", "#"), 1)
    assert len(peer.subscriptions) == 1


@pytest.mark.parametrize("filters", [(), ("kitchen/#", "cellar/#")])
async def test_a_refused_token_is_an_error(peer: FramesPeer, filters: tuple[str, ...]) -> None:
    """401 and 403 end the stream instead of trying for ever."""
    with pytest.raises(ListenerRefused, match="401"):
        await take(Listener(peer.url, "bad", *filters, retry=QUICK), 1)
    peer.refuse_next = [403] * 2
    with pytest.raises(ListenerRefused, match="403"):
        await take(listen(peer, *filters), 1)


@pytest.mark.parametrize("code", [4401, 4403])
async def test_a_revoked_token_is_an_error(peer: FramesPeer, code: int) -> None:
    """So do the close codes of a token that is no longer good."""
    peer.close_code = code
    with pytest.raises(ListenerRefused, match=str(code - 4_000)):
        await take(listen(peer), 1)


async def test_a_refused_filter_is_an_error(peer: FramesPeer) -> None:
    """A subscription that the gateway does not accept says why."""
    peer.error = {"code": "forbidden", "message": "not your device"}
    with pytest.raises(ListenerRefused, match=r"kitchen/#.*not your device"):
        await take(listen(peer, "kitchen/#"), 1)


async def test_a_passing_error_is_tried_again(peer: FramesPeer) -> None:
    """A gateway that is busy is asked again."""
    peer.error = {"code": "unavailable", "message": "storage is full"}
    peer.store("temperature")
    assert numbers(await take(listen(peer), 1)) == [1]
    assert len(peer.subscriptions) == 2


@pytest.mark.parametrize("url", ["", "gateway.local:8080", "ftp://gateway.local", "http://"])
async def test_a_wrong_address_is_an_error(url: str) -> None:
    """What is no address of a gateway is refused at once."""
    with pytest.raises(ValueError, match="not the address"):
        Listener(url, "good")


async def test_a_wrong_filter_is_an_error() -> None:
    """So is a filter that cannot be one."""
    with pytest.raises(GatewayError, match="filter"):
        Listener("http://127.0.0.1:1", "good", "kitchen/#/x")


async def test_an_address_may_be_that_of_the_websocket(peer: FramesPeer) -> None:
    """`ws://` is understood as well."""
    peer.store("temperature")
    assert numbers(await take(Listener(peer.url.replace("http", "ws"), "good"), 1)) == [1]


async def test_closes_behind_itself(peer: FramesPeer) -> None:
    """Leaving `async with` ends the connections; a listener can be iterated again within it."""
    peer.store("temperature")
    async with listen(peer) as listener:
        await take(listener, 1)
        peer.store("temperature")
        assert numbers(await take(listener, 1)) == [2]


async def test_sends_a_command(peer: FramesPeer) -> None:
    """A command goes over HTTP with the same token, and its reply comes back."""
    peer.answer = (200, {"id": "c1", "state": "replied", "reply": {"was": 0}})
    async with listen(peer) as listener:
        assert await listener.command("kitchen", "relay/0", [1], wait=2) == {"was": 0}
    assert peer.commands == [("/api/v1/devices/kitchen/commands/relay/0", [1], "2")]


@pytest.mark.parametrize(
    ("status", "error"), [(504, NoReply), (401, ListenerRefused), (404, GatewayError)]
)
async def test_a_command_without_reply_is_an_error(
    peer: FramesPeer, status: int, error: type[GatewayError]
) -> None:
    """No reply in time, no permission and no device each have their error, which carries what the
    gateway said.
    """
    peer.answer = (status, {"title": "no", "detail": "there is no kitchen", "code": "some_code"})
    async with listen(peer) as listener:
        with pytest.raises(error) as raised:
            await listener.command("kitchen", "led", 1)
    assert str(raised.value) == raised.value.detail == "there is no kitchen"
    assert (raised.value.status, raised.value.code) == (status, "some_code")


async def test_an_answer_that_is_no_problem_document(peer: FramesPeer) -> None:
    """What a proxy in between answers is told as it came."""
    peer.answer = (502, "Bad gateway")
    async with listen(peer) as listener:
        with pytest.raises(GatewayError, match="Bad gateway") as raised:
            await listener.command("kitchen", "led", 1)
    assert raised.value.status == 502
