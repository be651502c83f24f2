"""What connected devices cost, idle and sending, and what stored frames cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks import packets
from benchmarks.figures import Figure
from benchmarks.listeners import Listener
from benchmarks.loads import into_listener, publishers, sized
from benchmarks.publishers import Publishers
from benchmarks.servers import Gateway
from benchmarks.worker import Worker
from gateway.clock import now_ms
from gateway.store.sqlite.database import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from benchmarks.figures import Extent

CONNECTIONS = 10
PACE = 5_000  # messages a second, one a write: each costs what the first of a batch costs
NOISE = 1.25  # the same run twice differs by about so much


def idle(extent: Extent) -> Iterator[Figure]:
    """Connected devices that send nothing but their PINGREQs, one a minute."""
    count = extent.crowd
    with (
        Gateway(count=count) as server,
        Worker(Publishers, server.port, server.accounts) as devices,
    ):
        before = server.memory()
        took = devices.call("connect")
        each = (server.memory() - before) / count
        devices.call("rest", min(1.0, extent.seconds))  # what connecting has left to do
        used = server.cpu()
        seconds = 2 * extent.seconds
        devices.call("rest", seconds)
        share = (server.cpu() - used) / seconds * 100
    what = f"{count:,} idle devices"
    yield Figure("idle", "embedded", f"{what}, memory each", each / 1000, "kB", 8, at_most=True)
    yield Figure("idle", "embedded", f"{what}, of a core", share, "%", 3, at_most=True)
    yield Figure("idle", "embedded", "sign-ins", count / took, "connects/s", 2_000)


def devices(extent: Extent) -> Iterator[Figure]:
    """What a message costs when 10 devices send, and when 10,000 do, at the same pace."""
    costs: list[float] = []
    for count in (CONNECTIONS, extent.crowd):
        with Gateway(count=count) as server, publishers(server) as senders:
            messages = int(PACE * extent.seconds)
            senders.call(
                "pace", float(PACE), count, packets.VALUE
            )  # the first of each, with all that is new
            senders.call("rest", min(1.0, extent.seconds))
            before = server.cpu()
            senders.call("pace", float(PACE), messages, packets.VALUE)
            costs.append((server.cpu() - before) / messages * 1e6)
        yield Figure(
            "devices", "embedded", f"processor a message, {count:,} devices", costs[-1], "µs"
        )
    share = costs[1] / max(costs[0], 1e-9)
    yield Figure(
        "devices",
        "embedded",
        f"{extent.crowd:,} devices to {CONNECTIONS}",
        share,
        "times",
        NOISE,
        at_most=True,
    )


def stored(extent: Extent) -> Iterator[Figure]:
    """What a message costs with few and with many stored frames."""
    costs: list[float] = []
    for frames in extent.stored:
        with (
            Gateway(count=CONNECTIONS, fill=partial(fill, frames=frames)) as server,
            publishers(server) as senders,
            Worker(Listener, server.http_port, server.token, "+/t") as listener,
        ):
            found = sized(extent, partial(into_listener, server, senders, listener, CONNECTIONS))
        costs.append(found.cost)
        what = f"messages in, {frames:,} frames stored"
        yield Figure("stored", "embedded", what, found.a_second, "messages/s", note=found.note)
    what = f"cost of a message, {extent.stored[-1]:,} frames to {extent.stored[0]:,}"
    yield Figure(
        "stored", "embedded", what, costs[-1] / max(costs[0], 1e-9), "times", NOISE, at_most=True
    )


def fill(db: sqlite3.Connection, frames: int) -> None:
    """Write frames of the last thirty days for the first ten devices, indexed as upkeep would have
    left them.
    """
    step = max(1, 30 * 86_400_000 // frames)
    start = now_ms() - frames * step
    db.execute("PRAGMA synchronous=OFF")
    with transaction(db):
        for number in range(CONNECTIONS):
            name = f"b{number:05}"
            db.execute(
                "INSERT INTO series (id, type, device, channel) VALUES (?, 'telemetry', ?, 't')",
                (number + 1, name),
            )
        db.execute(
            "WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?) "
            "INSERT INTO frames SELECT seq, 1 + seq % ?, ? + seq * ?, 1000000 + seq % "
            "1000000, '' FROM n",
            (frames, CONNECTIONS, start, step),
        )
        db.execute(
            "INSERT INTO frames_by_time SELECT series, ts, seq FROM frames ORDER BY series, ts, seq"
        )
        db.execute("UPDATE meta SET value = ? WHERE key IN ('seq', 'folded')", (frames,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
