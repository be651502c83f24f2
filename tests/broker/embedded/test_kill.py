"""kill -9 under load, with real clients: nothing acknowledged is missing, nothing with QoS 2 comes
twice.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MessageState, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.store.sqlite.database import open_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PUBLISHED_A_CYCLE = 300


def _port() -> int:
    """Return a free port below those that the system gives out, so that nobody gets it while the
    broker is down.
    """
    while True:
        number = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number


class Child:
    """A broker process on one database and one port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = _port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "broker_child.py"), str(self.path), str(self.port)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A running broker."""
    path = tmp_path / "gateway.db"
    db = open_sync(path)
    db.execute("CREATE TABLE seen (qos INTEGER, number INTEGER)")
    db.close()
    child = Child(path)
    child.start()
    yield child
    child.kill()


class Faithful(paho.Client):
    """A paho client that remembers which QoS 2 messages it has released.

    paho 2.1 forgets it at a second attempt to connect, and publishes them as new ones.
    """

    def _messages_reconnect_reset_out(self) -> None:
        again = MessageState.MQTT_MS_RESEND_PUBREL
        released = [message for message in self._out_messages.values() if message.state == again]
        super()._messages_reconnect_reset_out()
        for message in released:
            message.state = again


class Client:
    """A client that keeps its session and comes back as fast as it can."""

    def __init__(self, name: str, child: Child, version: MQTTProtocolVersion) -> None:
        five = version == MQTTProtocolVersion.MQTTv5
        kept: dict[str, object] = {} if five else {"clean_session": False}
        self.paho = Faithful(CallbackAPIVersion.VERSION2, name, protocol=version, **kept)  # type: ignore[arg-type]
        self.paho.username_pw_set(name, "x")
        self.paho.reconnect_delay_set(0.02, 0.05)  # type: ignore[arg-type]
        self.paho.max_queued_messages_set(0)
        self.acknowledged: set[int] = set()
        self.received: Counter[int] = Counter()
        self.ready = threading.Event()
        self.paho.on_publish = lambda _c, _d, mid, _r, _p: self.acknowledged.add(mid)
        self.paho.on_message = lambda _c, _d, message: self.received.update([int(message.payload)])
        self.paho.on_connect = lambda *_: self.ready.set()
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.subscribed = threading.Event()
        if five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 1000
            self.paho.connect("127.0.0.1", child.port, clean_start=False, properties=properties)
        else:
            self.paho.connect("127.0.0.1", child.port)
        self.paho.loop_start()
        assert self.ready.wait(10)

    def close(self) -> None:
        """Say goodbye."""
        self.paho.disconnect()
        self.paho.loop_stop()


def until(condition) -> None:  # type: ignore[no-untyped-def]
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def cycles(child: Child, version: MQTTProtocolVersion, count: int) -> None:
    """Kill and restart under load, and compare what was sent, stored and received."""
    subscriber = Client("subscriber", child, version)
    subscriber.paho.subscribe("t/#", 2)
    assert subscriber.subscribed.wait(10)
    publishers = {qos: Client(f"publisher{qos}", child, version) for qos in (1, 2)}
    total = 0
    for _ in range(count):
        for number in range(total, total + PUBLISHED_A_CYCLE):
            for qos, publisher in publishers.items():
                publisher.paho.publish(f"t/{qos}", str(number * 10 + qos), qos)
        total += PUBLISHED_A_CYCLE
        goal = total - PUBLISHED_A_CYCLE // 2
        until(lambda goal=goal: all(len(one.acknowledged) >= goal for one in publishers.values()))
        until(lambda: all(one.paho.is_connected() for one in (subscriber, *publishers.values())))
        child.kill()
        child.start()
    until(lambda: all(len(one.acknowledged) == total for one in publishers.values()))
    everything = {number * 10 + qos for number in range(total) for qos in (1, 2)}
    until(lambda: subscriber.received.keys() >= everything)
    for client in (*publishers.values(), subscriber):
        client.close()
    assert [
        number for number, times in subscriber.received.items() if number % 10 == 2 and times > 1
    ] == []
    db = open_sync(child.path)
    stored = Counter(number for (number,) in db.execute("SELECT number FROM seen"))
    db.close()
    assert stored.keys() >= everything
    assert [number for number, times in stored.items() if number % 10 == 2 and times > 1] == []


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_five_kills(child: Child, version: MQTTProtocolVersion) -> None:
    """Five kills under load of QoS 1 and 2."""
    cycles(child, version, 5)


class Worker:
    """A member of a share whose session is kept; it takes jobs and acknowledges none."""

    def __init__(self, name: str, child: Child) -> None:
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self.paho.username_pw_set(name, "x")
        self.jobs: set[int] = set()
        self.subscribed = threading.Event()
        self.paho.on_message = lambda _c, _d, message: self.jobs.add(int(message.payload))
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 1000
        self.paho.connect("127.0.0.1", child.port, clean_start=False, properties=properties)
        self.paho.loop_start()
        self.paho.subscribe("$share/workers/jobs", 1)
        assert self.subscribed.wait(10)

    def leave(self, expiry: int) -> None:
        """Say goodbye; the session lasts for so many seconds."""
        properties = Properties(PacketTypes.DISCONNECT)
        properties.SessionExpiryInterval = expiry
        self.paho.disconnect(properties=properties)
        self.paho.loop_stop()


def test_a_kill_when_a_member_of_a_share_ends(child: Child) -> None:
    """4.8.2: its session ends, the broker is killed at once: every job is with it still, or with
    the other member.
    """
    jobs = set(range(10))
    for number, pause in enumerate((0.0, 0.001, 0.002, 0.005, 0.02)):
        first, second = (Worker(f"{name}{number}", child) for name in ("first", "second"))
        second.leave(1000)
        publisher = Client(f"publisher{number}", child, MQTTProtocolVersion.MQTTv5)
        for job in jobs:
            publisher.paho.publish("jobs", str(job), 1)
        until(lambda first=first: first.jobs == jobs)
        publisher.close()
        first.leave(0)
        time.sleep(pause)
        child.kill()
        child.start()
        again = [Worker(f"{name}{number}", child) for name in ("first", "second")]
        until(lambda again=again: again[0].jobs | again[1].jobs == jobs)
        found = [set(worker.jobs) for worker in again]
        assert sorted(found, key=len) == [set(), jobs]
        for worker in again:  # what the first leaves is the second's
            worker.leave(0)


@pytest.mark.soak
@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_a_hundred_kills(child: Child, version: MQTTProtocolVersion) -> None:
    """A hundred kills under load of QoS 1 and 2."""
    cycles(child, version, 100)
