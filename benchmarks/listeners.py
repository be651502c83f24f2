"""Who listens: WebSocket listeners and an MQTT subscriber on raw sockets, which count bytes and
check afterwards.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from typing import NamedTuple, cast

from benchmarks import packets
from benchmarks.publishers import CHUNK, TIMEOUT, allow_files, open_socket

SILENCE = 10.0  # s after which nothing more is expected
_FRAME = re.compile(rb'"seq":(\d+),"device":"([^"]+)","channel":"t","ts":\d+,"value":(\d+)}')
_SEQ = re.compile(rb'"type":"ack".*?"seq":(\d+)')
_MARK = b"\x81"  # begins every WebSocket message, and is in no JSON text of ours


class Received(NamedTuple):
    """When the last byte came (monotonic, s), how many messages or bytes came, and what was wrong
    with them.
    """

    end: float
    amount: int
    fault: str = ""


class Listener:
    """One WebSocket listener that keeps all it gets."""

    def __init__(self, port: int, token: str, topic_filter: str) -> None:
        self._sock, _ = listen(port, token, topic_filter)
        self._buffer = bytearray(CHUNK * 16)

    def count(self, expected: int, first: int, devices: int) -> Received:
        """Read `expected` frames, then check that each device's values are all there from `first`,
        in order.
        """
        chunks, count = self._read(expected)
        fault = faults(b"".join(data for _, data in chunks), first, devices)
        return Received(chunks[-1][0] if chunks else 0.0, count, fault)

    def latencies(self, expected: int) -> list[float]:
        """Read `expected` frames whose values are the time; return how long each took, in ms."""
        chunks, _ = self._read(expected)
        found: list[float] = []
        rest = b""
        for at, data in chunks:
            whole, end = rest + data, 0
            for match in _FRAME.finditer(whole):
                found.append(at * 1e3 - int(match[3]) / 1e3)
                end = match.end()
            rest = whole[end:]
        return found

    def _read(self, expected: int) -> tuple[list[tuple[float, bytes]], int]:
        """Return what came, each part with its time."""
        chunks: list[tuple[float, bytes]] = []
        count, view, sock = 0, memoryview(self._buffer), self._sock
        sock.settimeout(SILENCE)
        complete = False
        while count < expected or not complete:
            try:
                size = sock.recv_into(view)
            except TimeoutError:
                break
            if not size:
                raise ConnectionError("the gateway has closed the listener's connection")
            chunks.append((time.monotonic(), bytes(view[:size])))
            count += self._buffer.count(_MARK, 0, size)
            complete = view[size - 1] == 0x7D  # "}": the last of them may be cut
        return chunks, count


class Listeners:
    """Many WebSocket listeners that only count bytes: the kernel drops them unread."""

    def __init__(self, port: int, token: str, topic_filter: str, count: int) -> None:
        allow_files()
        opened = [listen(port, token, topic_filter) for _ in range(count)]
        self._sockets = [sock for sock, _ in opened]
        self._seq = opened[-1][1]

    def newest(self) -> int:
        """Return the seq after which every one of them gets frames."""
        return self._seq

    def count(self, expected: int) -> Received:
        """Let each have `expected` bytes; `amount` in the answer is of all together."""
        missing = dict.fromkeys(self._sockets, expected)
        end, buffer = 0.0, bytearray(CHUNK * 64)
        with selectors.DefaultSelector() as selector:
            for sock in self._sockets:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
            waiting = len(missing)
            while waiting and (ready := selector.select(SILENCE)):
                for key, _ in ready:
                    sock = cast("socket.socket", key.fileobj)
                    left = missing[sock] = missing[sock] - sock.recv_into(
                        buffer, 0, socket.MSG_TRUNC
                    )
                    if left <= 0:
                        waiting -= 1
                        selector.unregister(sock)
                end = time.monotonic()
        wrong = [left for left in missing.values() if left]
        fault = (
            f"{len(wrong)} listeners miss {sum(wrong) // len(wrong)} bytes each" if wrong else ""
        )
        return Received(end, expected * len(missing) - sum(missing.values()), fault)


class Subscriber:
    """One MQTT subscriber that keeps all it gets."""

    def __init__(self, port: int, account: packets.Account, topic_filter: str) -> None:
        self._sock = open_socket(port)
        self._sock.sendall(
            packets.connect(account, "benchmark", 0) + packets.subscribe(topic_filter)
        )
        answer = b""
        while len(answer) < 9:
            answer += self._sock.recv(9 - len(answer))
        if answer[:4] != packets.CONNACK or answer[-1] == 0x80:
            raise ConnectionError(f"the subscriber was refused: {answer!r}")

    def count(self, expected: int, size: int, first: int) -> Received:
        """Read `expected` packets of `size` bytes each, and check that each topic's are in order;
        some may miss.
        """
        chunks: list[bytes] = []
        count, end, left = 0, 0.0, expected * size
        buffer = bytearray(CHUNK * 16)
        view = memoryview(buffer)
        self._sock.settimeout(SILENCE / 5)
        while left > 0:
            try:
                count = self._sock.recv_into(view)
            except TimeoutError:
                break
            end = time.monotonic()
            chunks.append(bytes(view[:count]))
            left -= count
        data = b"".join(chunks)
        last: dict[bytes, int] = {}  # of each topic
        in_order = True
        for at in range(size, len(data) + 1, size):
            topic, value = data[at - size : at - 7], int(data[at - 7 : at])
            in_order &= value > last.get(topic, first - 1)
            last[topic] = value
        return Received(end, len(data) // size, "" if in_order else "out of order")


def listen(port: int, token: str, topic_filter: str) -> tuple[socket.socket, int]:
    """Open a listener; return its socket and the newest seq before its first frame."""
    sock = open_socket(port)
    sock.settimeout(TIMEOUT)
    sock.sendall(packets.upgrade(port, token))
    _until(sock, b'"hello"')
    sock.sendall(packets.ask(topic_filter))
    answer = _until(sock, b'"ack"')
    match = _SEQ.search(answer)
    assert match is not None, answer
    return sock, int(match[1])


def _until(sock: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data or not data.endswith(b"}"):
        more = sock.recv(CHUNK)
        if not more:
            raise ConnectionError(f"the gateway has refused the listener: {data[:200]!r}")
        data += more
    return data


def faults(data: bytes, first: int, devices: int) -> str:
    """Tell what is wrong with frames: a device's values are to count up from `first`, and seq with
    every frame.
    """
    last_seq = 0
    expected: dict[bytes, int] = {}
    for seq, device, value in _FRAME.findall(data):
        number = int(value)
        if number != expected.get(device, first):
            return f"{device.decode()} is at {number} instead of {expected.get(device, first)}"
        expected[device] = number + 1
        if int(seq) <= last_seq:
            return f"seq {int(seq)} after {last_seq}"
        last_seq = int(seq)
    if len(expected) != devices or len(set(expected.values())) > 1:
        return f"{len(expected)} of {devices} devices, up to {sorted(set(expected.values()))}"
    return ""
