"""One load against one server, measured: how many messages a second, and what each cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks import packets
from benchmarks.publishers import Publishers
from benchmarks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Extent
    from benchmarks.listeners import Received
    from benchmarks.publishers import Sent
    from benchmarks.servers import Broker, Gateway, Server


class Rate(NamedTuple):
    """Messages a second from the first write to the last arrival; `cost`: the server's processor
    time each, in us.
    """

    a_second: float
    cost: float
    fault: str = ""

    @property
    def note(self) -> str:
        """What to say beside the figure."""
        return self.fault or f"{self.cost:.1f} µs of processor each"


def publishers(server: Broker, count: int | None = None) -> Worker:
    """Return a process with a server's devices, connected."""
    worker = Worker(Publishers, server.port, server.accounts[:count])
    worker.call("connect")
    return worker


def sized(extent: Extent, load: Callable[[int], Rate]) -> Rate:
    """Run a small load, then one that is to take `extent.seconds`."""
    trial = load(extent.trial)
    return load(max(extent.trial, min(extent.most, int(trial.a_second * extent.seconds))))


def rate(server: Server, before: float, sent: Sent, received: Received | None = None) -> Rate:
    """Put together what senders and receivers say; `before`: the server's processor time when it
    began.
    """
    end = received.end if received is not None else sent.end
    cost = (server.cpu() - before) / sent.messages * 1e6
    return Rate(
        sent.messages / max(end - sent.start, 1e-9), cost, received.fault if received else ""
    )


def into_listener(
    server: Gateway,
    senders: Worker,
    listener: Worker,
    devices: int,
    messages: int,
    kind: packets.Kind = packets.VALUE,
) -> Rate:
    """Flood with QoS 0 and take the frames from one listener."""
    each = max(1, messages // devices)
    first, _ = senders.call("prepare", each, kind)
    before = server.cpu()
    listener.start("count", each * devices, first, devices)
    senders.start("flood")
    sent, received = senders.result(), listener.result()
    return rate(server, before, sent, received)
