"""The reading half of a socket: paused by the intake, held by the rate."""

import asyncio

from gateway.broker.amqtt.streams import PacketReader

PINGREQ = b"\xc0\x00"


async def test_who_sends_too_fast_is_not_read_for_a_while() -> None:
    """Nothing is read while it is held; then all is there."""
    stream = asyncio.StreamReader()
    reader = PacketReader(stream, 100, 10.0)
    stream.feed_data(PINGREQ)
    reader.hold(0.01)
    reading = asyncio.create_task(reader.packets())
    await asyncio.sleep(0)
    assert not reading.done()
    assert len(await reading) == 1


async def test_a_hold_that_is_over_opens_nothing_that_is_paused() -> None:
    """The intake has the last word."""
    stream = asyncio.StreamReader()
    reader = PacketReader(stream, 100, 10.0)
    stream.feed_data(PINGREQ)
    reader.hold(0.001)
    reader.pause()
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.002, over.set)
    await over.wait()
    reading = asyncio.create_task(reader.packets())
    await asyncio.sleep(0)
    assert not reading.done()
    reader.resume()
    assert len(await reading) == 1
