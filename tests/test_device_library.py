"""`gateway.device` against the broker's end of the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
from hypothesis import given
from hypothesis import strategies as st

from gateway.backoff import delays
from gateway.device import Device, DeviceRefused
from gateway.device.outbox import Outbox
from gateway.device.values import decoded
from tests.mqtt_peer import WAIT, MqttPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TELEMETRY = "devices/kitchen/telemetry"
QUICK = (0.01, 0.02)
ANONYMOUS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something that has no event of its own is so."""
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def peer() -> Iterator[MqttPeer]:
    """Answer a device as the gateway does."""
    with MqttPeer() as peer:
        yield peer


def kitchen(peer: MqttPeer, **options: Any) -> Device:
    """Make a device of the peer."""
    return Device("kitchen", "secret", "127.0.0.1", port=peer.port, retry=QUICK, **options)


def values(payload: bytes) -> Any:
    """Take the values out of a timed reading."""
    return json.loads(payload)["values"]


def test_signs_in_with_will_and_status(peer: MqttPeer) -> None:
    """The device id and key sign in, the will says offline, and the status follows the
    connection.
    """
    with kitchen(peer) as device:
        connect = peer.connects.get(timeout=WAIT)
        assert (connect.username, connect.password, connect.version) == ("kitchen", "secret", 5)
        assert connect.will == ("devices/kitchen/status", b"offline")
        assert connect.receive_maximum == 16
        assert peer.subscriptions.get(timeout=WAIT) == "devices/kitchen/commands/#"
        assert peer.expect("devices/kitchen/status") == b"online"
        assert device.connected
    assert peer.expect("devices/kitchen/status") == b"offline"
    assert peer.goodbyes.get(timeout=WAIT)
    assert not device.connected


def test_sends_readings_with_their_time(peer: MqttPeer) -> None:
    """One value, several values, and a time of one's own arrive in the contract's timed form."""
    before = time.time_ns() // 1_000_000
    with kitchen(peer) as device:
        device.send("temperature", 21.4)
        device.send({"temperature": 21.5, "humidity": 40})
        device.send("temperature", None, ts=1_700_000_000_000)
    first, second, third = (json.loads(peer.expect(TELEMETRY)) for _ in range(3))
    assert first["values"] == {"temperature": 21.4}
    assert before <= first["ts"] <= time.time_ns() // 1_000_000
    assert second["values"] == {"temperature": 21.5, "humidity": 40}
    assert third == {"ts": 1_700_000_000_000, "values": {"temperature": None}}
    assert device.unsent == 0


def test_refuses_what_json_cannot_hold(peer: MqttPeer) -> None:
    """A value that is no JSON is the caller's mistake and is not kept."""
    device = kitchen(peer)
    with pytest.raises(TypeError):
        device.send("temperature", object())
    assert device.unsent == 0


@pytest.mark.parametrize("version", [5, 4])
def test_answers_a_command(version: int) -> None:
    """What a handler returns goes to the reply topic of the command's name, and then the command is
    acknowledged.
    """
    with MqttPeer(refusals={} if version == 5 else {5: 1}) as peer:
        device = kitchen(peer)
        device.on("led")(lambda value: {"was": value})
        with device:
            peer.expect("devices/kitchen/status")
            mid = peer.publish("devices/kitchen/commands/led", b"[1,2]")
            assert json.loads(peer.expect("devices/kitchen/replies/led")) == {"was": [1, 2]}
            assert peer.acknowledged.get(timeout=WAIT) == mid
        versions = [peer.connects.get_nowait().version for _ in range(peer.connects.qsize())]
        assert versions[-1] == version


def test_answers_with_mqtt_5_correlation(peer: MqttPeer) -> None:
    """A response topic and correlation data decide where the reply goes and what it says it
    answers.
    """
    device = kitchen(peer)
    device.on("relay/0")(lambda value: not value)
    with device:
        peer.expect("devices/kitchen/status")
        peer.publish(
            "devices/kitchen/commands/relay/0",
            b"true",
            ResponseTopic="answers/7",
            CorrelationData=b"\x00\x07",
        )
        reply = peer.publications.get(timeout=WAIT)
        assert (reply.topic, reply.payload, reply.correlation) == (
            "answers/7",
            b"false",
            b"\x00\x07",
        )


def test_a_failing_handler_costs_nothing_else(
    peer: MqttPeer, caplog: pytest.LogCaptureFixture
) -> None:
    """A command whose handler fails, or that has none, is logged and acknowledged without a
    reply.
    """
    device = kitchen(peer)
    device.on("divide")(lambda value: 1 / value)
    with device:
        peer.expect("devices/kitchen/status")
        mids = [
            peer.publish("devices/kitchen/commands/divide", b"0"),
            peer.publish("devices/kitchen/commands/unknown", b"1"),
            peer.publish("devices/kitchen/commands/divide", b"4"),
        ]
        assert [peer.acknowledged.get(timeout=WAIT) for _ in mids] == mids
        reply = peer.publications.get(timeout=WAIT)
        assert (reply.topic, reply.payload) == ("devices/kitchen/replies/divide", b"0.25")
    assert "ZeroDivisionError" in caplog.text
    assert "no handler for the command 'unknown'" in caplog.text


def test_a_handler_that_returns_nothing_sends_no_reply(peer: MqttPeer) -> None:
    """None is no reply; the command is acknowledged all the same."""
    device = kitchen(peer)
    seen: list[Any] = []
    device.on("led")(seen.append)
    with device:
        peer.expect("devices/kitchen/status")
        mid = peer.publish("devices/kitchen/commands/led", b"")
        assert peer.acknowledged.get(timeout=WAIT) == mid
    assert seen == [None]
    assert peer.publications.get(timeout=WAIT).payload == b"offline"


def test_a_slow_handler_does_not_stop_readings(peer: MqttPeer) -> None:
    """Handlers have a thread of their own: readings go out while one is at work, and stopping waits
    for it.
    """
    device = kitchen(peer)
    release = threading.Event()
    device.on("wait")(lambda _value: release.wait(WAIT))
    with device:
        peer.expect("devices/kitchen/status")
        mid = peer.publish("devices/kitchen/commands/wait", b"1")
        device.send("temperature", 1)
        assert values(peer.expect(TELEMETRY)) == {"temperature": 1}
        assert peer.acknowledged.empty()
        release.set()
    assert peer.acknowledged.get(timeout=WAIT) == mid


def test_a_handler_may_stop_its_device(peer: MqttPeer) -> None:
    """`stop` from within a handler ends `run`, after the handler's own reply."""
    device = kitchen(peer)

    @device.on("quit")
    def leave(_value: Any) -> str:
        device.stop()
        return "bye"

    running = threading.Thread(target=device.run)
    running.start()
    peer.expect("devices/kitchen/status")
    peer.publish("devices/kitchen/commands/quit", b"1")
    assert peer.expect("devices/kitchen/replies/quit") == b'"bye"'
    running.join(WAIT)
    assert not running.is_alive()
    with pytest.raises(RuntimeError, match="stopped"):
        device.send("temperature", 1)


def test_an_unacknowledged_command_is_not_acknowledged_elsewhere(peer: MqttPeer) -> None:
    """A handler that ends after its connection was lost acknowledges nothing on the next one."""
    device = kitchen(peer)
    begun, release = threading.Event(), threading.Event()

    @device.on("wait")
    def wait(_value: Any) -> str:
        begun.set()
        release.wait(WAIT)
        return "late"

    device.on("ping")(lambda value: value)
    with device:
        peer.expect("devices/kitchen/status")
        peer.publish("devices/kitchen/commands/wait", b"1")
        assert begun.wait(WAIT)
        peer.cut()
        assert peer.expect("devices/kitchen/status") == b"online"
        release.set()
        mid = peer.publish("devices/kitchen/commands/ping", b"2")
        assert peer.publications.get(timeout=WAIT).topic == "devices/kitchen/replies/ping"
        assert peer.acknowledged.get(timeout=WAIT) == mid


def test_sends_again_what_was_not_acknowledged(peer: MqttPeer) -> None:
    """A reading without its PUBACK goes out again, byte for byte, on the next connection, in order
    with later ones.
    """
    peer.acknowledge = None
    with kitchen(peer) as device:
        device.send("n", 1)
        first = peer.expect(TELEMETRY)
        assert device.unsent == 1
        peer.absent.set()
        peer.cut()
        device.send("n", 2)
        peer.acknowledge = 0
        peer.absent.clear()
        assert peer.expect(TELEMETRY) == first
        assert values(peer.expect(TELEMETRY)) == {"n": 2}
    assert (device.unsent, device.dropped) == (0, 0)


def test_keeps_readings_until_the_gateway_appears(peer: MqttPeer) -> None:
    """An unreachable gateway is no error: readings wait, bounded, and the oldest are dropped and
    counted.
    """
    peer.absent.set()
    with kitchen(peer, keep=3) as device:
        for n in range(5):
            device.send("n", n)
        assert (device.unsent, device.dropped) == (3, 2)
        peer.absent.clear()
        assert [values(peer.expect(TELEMETRY)) for _ in range(3)] == [{"n": 2}, {"n": 3}, {"n": 4}]


def test_readings_on_disk_survive_the_program(peer: MqttPeer, tmp_path: Path) -> None:
    """With a path, what was not acknowledged goes out from the next program, with its own times."""
    path = tmp_path / "unsent.db"
    peer.absent.set()
    with kitchen(peer, path=path) as device:
        device.send("n", 1, ts=1000)
    assert device.unsent == 1
    peer.absent.clear()
    with kitchen(peer, path=path) as device:
        assert json.loads(peer.expect(TELEMETRY)) == {"ts": 1000, "values": {"n": 1}}
    with kitchen(peer, path=path) as device:
        assert device.unsent == 0


@pytest.mark.parametrize(("version", "code"), [(5, 0x86), (5, 0x87), (4, 4), (4, 5)])
def test_a_wrong_key_is_an_error(version: int, code: int) -> None:
    """A refused sign-in ends `run` and `start` with the reason instead of trying for ever."""
    refusals = {version: code} if version == 5 else {5: 1, 4: code}
    with MqttPeer(refusals=refusals) as peer:
        with pytest.raises(DeviceRefused, match="refused device 'kitchen'") as raised:
            kitchen(peer).run()
        found = raised.value
        told = {4: 0x86, 5: 0x87}.get(code, code)  # paho says those of 3.1.1 as those of 5
        assert (found.reason_code, found.status, found.code) == (told, 401, "unauthenticated")
        device = kitchen(peer)
        with pytest.raises(DeviceRefused):
            device.start()
        with pytest.raises(DeviceRefused):
            device.send("temperature", 1)
        with pytest.raises(DeviceRefused):
            device.stop()


def send_for_ever(device: Device) -> None:
    """Send until that is an error."""
    while True:
        device.send("n", 1)


def test_a_new_key_elsewhere_ends_a_running_device(
    peer: MqttPeer, caplog: pytest.LogCaptureFixture
) -> None:
    """A device that is cut off and then refused logs why, and its next `send` says so."""
    device = kitchen(peer)
    device.start()
    peer.refusals[5] = 0x86
    peer.cut()
    with pytest.raises(DeviceRefused):
        send_for_ever(device)
    with pytest.raises(DeviceRefused):
        device.stop()
    assert "refused device 'kitchen'" in caplog.text


def test_a_busy_gateway_is_tried_again(peer: MqttPeer) -> None:
    """Server unavailable is no refusal."""
    peer.refusals[5] = 0x88
    device = kitchen(peer)
    device.start()
    assert not device.connected
    del peer.refusals[5]
    assert peer.expect("devices/kitchen/status") == b"online"
    device.stop()


def test_a_reading_the_gateway_refuses_is_dropped(peer: MqttPeer) -> None:
    """A PUBACK that says the payload is invalid is final: the reading is counted and not sent
    again.
    """
    peer.acknowledge = 0x99
    with kitchen(peer) as device:
        device.send("n", 1)
        peer.expect(TELEMETRY)
    assert (device.unsent, device.dropped) == (0, 1)


def test_a_reading_over_quota_is_sent_again(
    peer: MqttPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PUBACK that says quota exceeded is not final: the reading stays and is offered again."""
    monkeypatch.setattr("gateway.device.link._HOLD", 0.0)
    peer.acknowledge = 0x97
    with kitchen(peer) as device:
        device.send("n", 1)
        first = peer.expect(TELEMETRY)
        peer.acknowledge = 0
        assert peer.expect(TELEMETRY) == first
    assert (device.unsent, device.dropped) == (0, 0)


def test_a_crowd_of_readings_arrives_in_order(peer: MqttPeer) -> None:
    """More readings than fit the window arrive once each, in order."""
    with kitchen(peer) as device:
        for n in range(300):
            device.send("n", n)
    assert [values(peer.expect(TELEMETRY))["n"] for _ in range(300)] == list(range(300))
    assert device.unsent == 0


def certified(ca_file: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a server's context and write its authority's certificate."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(ca_file))
    return context, ca_file


def test_tls(tmp_path: Path) -> None:
    """With a CA file the connection is encrypted and the gateway's certificate checked."""
    context, ca_file = certified(tmp_path / "ca.pem")
    with MqttPeer(tls=context) as peer:
        with kitchen(peer, ca_file=ca_file) as device:
            device.send("n", 1)
            assert values(peer.expect(TELEMETRY)) == {"n": 1}
        assert device.unsent == 0


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_tls_of_another_authority_is_no_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate that the CA file does not vouch for ends the attempt before the key is sent."""
    context, _ = certified(tmp_path / "ca.pem")
    _, other = certified(tmp_path / "other.pem")
    with MqttPeer(tls=context) as peer:
        with kitchen(peer, ca_file=other) as device:
            assert not device.connected
        assert peer.connects.empty()
    assert "certificate verify failed" in caplog.text


def test_default_ports() -> None:
    """Without a port, 1883 for plain MQTT and 8883 for TLS."""
    assert Device("kitchen", "secret").port == 1883
    assert Device("kitchen", "secret", tls=True).port == 8883


def test_a_network_that_goes_silent_is_noticed(peer: MqttPeer) -> None:
    """Bytes that nobody answers end the connection after the keep-alive, and the device comes
    back.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as stack:
        device = Device(
            "kitchen", "secret", "127.0.0.1", port=silent.getsockname()[1], retry=QUICK, keepalive=1
        )
        starter = threading.Thread(target=device.start)
        starter.start()
        for _ in range(2):
            stack.enter_context(silent.accept()[0])
        starter.join(WAIT)
        assert not device.connected
        device.stop()


async def test_speaks_to_a_broker_of_3_1_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """amqtt knows only 3.1.1 and does not say so; the device comes down to that version by
    itself.
    """
    monkeypatch.setattr("gateway.device.link._PATIENCE", 0.3)
    broker = Broker(
        BrokerConfig(listeners={"default": ListenerConfig(bind="127.0.0.1:0")}, plugins=ANONYMOUS)
    )
    await broker.start()
    port = broker._servers["default"].instance.sockets[0].getsockname()[1]
    try:
        device = Device("kitchen", "secret", "127.0.0.1", port=port, retry=QUICK)
        await asyncio.to_thread(device.start)
        await asyncio.to_thread(eventually, lambda: device.connected)
        device.send("n", 1)
        await asyncio.to_thread(device.stop)
        assert (device.unsent, device.dropped) == (0, 0)
    finally:
        await broker.shutdown()


def test_imports_little() -> None:
    """A script on a small machine loads neither the gateway's HTTP nor its store."""
    code = "import sys, gateway.device; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "amqtt", "aiosqlite", "typer"} & set(loaded)
    ours = {name for name in loaded if name.split(".")[0] == "gateway"}
    assert {name for name in ours if not name.startswith("gateway.device")} == {
        "gateway",
        "gateway.backoff",
        "gateway.errors",
    }


@given(st.binary())
def test_decode_takes_any_payload(payload: bytes) -> None:
    """Whatever arrives as a command has a value."""
    value = decoded(payload)
    assert (value is None) == (payload.strip(b" \t\r\n") in {b"", b"null"}) or isinstance(
        value, str
    )


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"", None), (b"21.5", 21.5), (b'{"a":[]}', {"a": []}), (b"on", "on"), (b"\xff", "\ufffd")],
)
def test_decode(payload: bytes, value: Any) -> None:
    """JSON as such, anything else as text, nothing as None."""
    assert decoded(payload) == value


def test_outbox_spares_what_is_under_way() -> None:
    """A full queue drops the oldest payload that waits, never one that may arrive at any moment."""
    outbox = Outbox(2)
    outbox.put(b"0")
    assert outbox.take() == (1, b"0")
    outbox.put(b"1")
    outbox.put(b"2")
    assert outbox.dropped == 1
    outbox.rewind()
    assert [outbox.take(), outbox.take(), outbox.take()] == [(1, b"0"), (3, b"2"), None]
    outbox.close()


@given(st.lists(st.sampled_from(["put", "take", "remove", "rewind"])), st.integers(1, 5))
def test_outbox_is_a_bounded_queue(steps: list[str], keep: int) -> None:
    """Whatever the order of calls, payloads come oldest first, none is lost uncounted, and the
    bound holds.
    """
    outbox = Outbox(keep)
    put, removed, under_way = 0, 0, []
    for step in steps:
        if step == "put":
            outbox.put(str(put).encode())
            put += 1
        elif step == "take" and (due := outbox.take()):
            assert all(due[0] > reading for reading in under_way)
            under_way.append(due[0])
        elif step == "remove" and under_way:
            outbox.remove(under_way.pop(0))
            removed += 1
        elif step == "rewind":
            under_way.clear()
            outbox.rewind()
        assert len(outbox) <= keep
        assert len(outbox) == put - removed - outbox.dropped
    outbox.close()


@pytest.mark.parametrize("keep", [0, -1])
def test_outbox_keeps_at_least_one(keep: int) -> None:
    """A queue of no room is a mistake."""
    with pytest.raises(ValueError, match="at least 1"):
        Outbox(keep)


def test_delays_grow_and_vary() -> None:
    """Waiting times double to the bound, each between half of it and all of it."""
    steps = [1.0, 2.0, 4.0, 5.0, 5.0]
    for step, wait in zip(steps, delays(1.0, 5.0), strict=False):
        assert step / 2 <= wait <= step
