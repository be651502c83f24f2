"""How long a message takes to a listener, alone and while a user's handler sleeps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import packets
from benchmarks.figures import Figure, quantile
from benchmarks.listeners import Listener
from benchmarks.loads import into_listener, publishers, sized
from benchmarks.servers import Gateway
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figures import Extent
    from benchmarks.loads import Rate

CONNECTIONS = 10
SLEEPER = '''
import asyncio
from pathlib import Path

from gateway.handlers import Device, DeviceType


class Sleeper(DeviceType):
    """Takes a minute for every value."""

    type = "sleeper"

    async def on_t(self, value, device: Device):
        Path(__file__).with_name("asleep").touch()
        await asyncio.sleep(60)
'''


class Delays(NamedTuple):
    """How long messages took, in ms."""

    median: float
    p99: float
    note: str


def latency(extent: Extent) -> Iterator[Figure]:
    """500 messages a second from 500 connections to one WebSocket listener."""
    with Gateway(count=extent.paced) as server:
        delays = _delays(server, server.accounts, extent)
    what = f"{extent.paced} messages/s from {extent.paced} connections"
    yield Figure(
        "latency",
        "embedded",
        f"{what}, median",
        delays.median,
        "ms",
        5,
        at_most=True,
        note=delays.note,
    )
    yield Figure("latency", "embedded", f"{what}, p99", delays.p99, "ms", 15, at_most=True)


def handler(extent: Extent) -> Iterator[Figure]:
    """Throughput and latency of nine devices while the handler of a tenth sleeps for a minute on
    each of its values.
    """
    found: list[tuple[Delays, Rate]] = []
    for types in ((), ("sleeper",)):
        with Gateway(count=CONNECTIONS, types=types, modules={"sleeper": SLEEPER}) as server:
            first, *others = server.accounts
            server.accounts = [first]
            with publishers(server) as sleeping:
                sleeping.call("pace", 100.0, 10, packets.VALUE)
                sleeping.call("rest", 0.5)
                assert (server.folder / "asleep").exists() is bool(types), (
                    "the handler was not called"
                )
                server.accounts = others
                found.append((_delays(server, others, extent), _others(server, extent)))
    (quiet, rate), (slept, rate_slept) = found
    yield Figure(
        "handler", "embedded", "median latency of others, no handler sleeps", quiet.median, "ms"
    )
    yield Figure(
        "handler", "embedded", "median latency of others, a handler sleeps", slept.median, "ms"
    )
    yield Figure(
        "handler",
        "embedded",
        "throughput of others, no handler sleeps",
        rate.a_second,
        "messages/s",
    )
    yield Figure(
        "handler",
        "embedded",
        "throughput of others, a handler sleeps",
        rate_slept.a_second,
        "messages/s",
    )
    share = rate_slept.a_second / rate.a_second
    yield Figure(
        "handler", "embedded", "throughput of others, asleep to awake", share, "times", 0.9
    )


def _delays(server: Gateway, accounts: list[packets.Account], extent: Extent) -> Delays:
    count = max(10, int(extent.paced * extent.seconds))
    with (
        publishers(server) as senders,
        Worker(Listener, server.http_port, server.token, "+/t") as listener,
    ):
        listener.start("latencies", count)
        senders.call("pace", float(extent.paced), count, packets.VALUE)
        found = listener.result()
    missing = (
        f"{count - len(found)} of {count} missing"
        if len(found) != count
        else f"of {count} messages"
    )
    return Delays(
        quantile(found, 0.5),
        quantile(found, 0.99),
        f"{missing}, slowest {max(found, default=0.0):.1f} ms",
    )


def _others(server: Gateway, extent: Extent) -> Rate:
    devices = len(server.accounts)
    with (
        publishers(server) as senders,
        Worker(Listener, server.http_port, server.token, "+/t") as listener,
    ):
        return sized(extent, partial(into_listener, server, senders, listener, devices))
