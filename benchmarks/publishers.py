"""The load: MQTT clients on raw sockets that write packets made beforehand."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from typing import NamedTuple, cast

from benchmarks import packets

CHUNK = 1 << 16  # bytes of one write
CONNECTING = 100  # at once, below what a server lets wait
TIMEOUT = 30.0  # s without any progress


class Sent(NamedTuple):
    """When the first byte was written, when all was done (monotonic, s), and how many messages it
    were.
    """

    start: float
    end: float
    messages: int


class Publishers:
    """Signed-in devices. Each has its own values, which go on counting from one load to the
    next.
    """

    def __init__(self, port: int, accounts: list[packets.Account]) -> None:
        allow_files()
        self._port = port
        self._accounts = accounts
        self._sockets: list[socket.socket] = []
        self._values: dict[str, int] = {}
        self._prepared: list[bytes] = []
        self._count = 0

    def connect(self) -> float:
        """Connect and sign in all of them, `CONNECTING` at a time; return how long it took in
        seconds.
        """
        start, opened, signed_in = time.monotonic(), 0, 0
        with selectors.DefaultSelector() as selector:
            while signed_in < len(self._accounts):
                while opened < len(self._accounts) and opened - signed_in < CONNECTING:
                    self._open(self._accounts[opened], selector)
                    opened += 1
                for sock in _ready(selector):
                    _expect(sock, packets.CONNACK)
                    selector.unregister(sock)
                    signed_in += 1
        return time.monotonic() - start

    def _open(self, account: packets.Account, selector: selectors.BaseSelector) -> None:
        sock = open_socket(self._port)
        sock.sendall(packets.connect(account, account.name))
        selector.register(sock, selectors.EVENT_READ)
        self._sockets.append(sock)

    def prepare(self, each: int, kind: packets.Kind, acknowledged: bool = False) -> tuple[int, int]:
        """Make `each` messages a connection; return the first value and the bytes of one packet."""
        self._count = each
        first = self._values.get(kind.topic, packets.FIRST_VALUE)
        self._values[kind.topic] = first + each
        assert first + each < packets.FIRST_VALUE + packets.MOST_VALUES
        self._prepared = [
            packets.stream(account.name, kind, first, each, acknowledged=acknowledged)
            for account in self._accounts
        ]
        return first, len(self._prepared[0]) // each

    def flood(self) -> Sent:
        """Write all that was prepared as fast as it is taken."""
        rest = {
            sock: memoryview(data) for sock, data in zip(self._sockets, self._prepared, strict=True)
        }
        with selectors.DefaultSelector() as selector:
            for sock in rest:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_WRITE)
            start = time.monotonic()
            while rest:
                for sock in _ready(selector):
                    data = rest[sock]
                    rest[sock] = data = data[sock.send(data[:CHUNK]) :]
                    if not data:
                        selector.unregister(sock)
                        del rest[sock]
        return Sent(start, time.monotonic(), self._count * len(self._sockets))

    def window(self, in_flight: int) -> Sent:
        """Send what was prepared with QoS 1, at most `in_flight` a connection without a PUBACK;
        check every PUBACK.
        """
        size = len(self._prepared[0]) // self._count
        rest = {
            sock: memoryview(data) for sock, data in zip(self._sockets, self._prepared, strict=True)
        }
        answers = {sock: bytearray() for sock in self._sockets}
        with selectors.DefaultSelector() as selector:
            start = time.monotonic()
            for sock, data in rest.items():
                sock.setblocking(True)
                selector.register(sock, selectors.EVENT_READ)
                sock.sendall(data[: in_flight * size])
                rest[sock] = data[in_flight * size :]
            awaited = 4 * self._count * len(self._sockets)
            while awaited:
                for sock in _ready(selector):
                    answer = answers[sock]
                    before = len(answer) // 4
                    answer += sock.recv(CHUNK)
                    due = (len(answer) // 4 - before) * size
                    awaited -= len(answer) // 4 * 4 - before * 4
                    data = rest[sock]
                    sock.sendall(data[:due])
                    rest[sock] = data[due:]
        end = time.monotonic()
        expected = packets.pubacks(self._count)
        assert all(answer == expected for answer in answers.values()), "PUBACKs out of order"
        return Sent(start, end, self._count * len(self._sockets))

    def pace(self, rate: float, count: int, kind: packets.Kind) -> Sent:
        """Send `count` messages, one a write, evenly and from each connection in turn; the value is
        the time in us.
        """
        heads = [
            packets.publish(account.name, kind, _microseconds())[: -len(str(_microseconds()))]
            for account in self._accounts
        ]
        turns = len(self._sockets)
        start = time.monotonic() + 0.01
        for number in range(count):
            delay = start + number / rate - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            turn = number % turns
            self._sockets[turn].send(heads[turn] + b"%d" % _microseconds())
        return Sent(start, time.monotonic(), count)

    def rest(self, seconds: float, keep_alive: int = 60) -> None:
        """Do nothing for a while but what keeps the connections alive."""
        pings = int(len(self._sockets) * seconds / keep_alive)
        start = time.monotonic()
        for number in range(pings):
            time.sleep(max(0.0, start + number * seconds / pings - time.monotonic()))
            self._sockets[number].send(packets.PINGREQ)
        time.sleep(max(0.0, start + seconds - time.monotonic()))

    def disconnect(self) -> None:
        """Close every socket."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()


def open_socket(port: int) -> socket.socket:
    """Connect to a server on this machine."""
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def allow_files() -> None:
    """Raise the number of open files as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _ready(selector: selectors.BaseSelector) -> list[socket.socket]:
    ready = selector.select(TIMEOUT)
    if not ready:
        raise TimeoutError(f"the server has taken and answered nothing for {TIMEOUT:.0f} s")
    return [cast("socket.socket", key.fileobj) for key, _ in ready]


def _expect(sock: socket.socket, answer: bytes) -> None:
    got = sock.recv(len(answer))
    if got != answer:
        raise ConnectionError(f"expected {answer!r}, got {got!r}")


def _microseconds() -> int:
    return time.monotonic_ns() // 1000
