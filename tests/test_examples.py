"""The examples do what their first lines promise."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import types
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gateway.topics import TopicPattern
from tests.frames_peer import FramesPeer
from tests.mqtt_peer import WAIT, MqttPeer

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SKETCHES = sorted(EXAMPLES.glob("*/*.ino"))
FILES = sorted(path for path in EXAMPLES.rglob("*.*") if path.suffix in {".ino", ".py", ".html"})
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
DEVICE_TOPICS = [
    TopicPattern(f"devices/{{device}}/{rest}")
    for rest in (
        "telemetry",
        "telemetry/{channel...}",
        "status",
        "commands/{channel...}",
        "replies/{channel...}",
    )
]


def test_all_are_there() -> None:
    """Nothing below passes because it looked at nothing."""
    assert [path.parent.name for path in SKETCHES] == ["arduino_http", "esp32", "esp8266"]
    assert len(FILES) == 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_begins_with_what_the_gateway_needs(path: Path) -> None:
    """The head of each says which commands make its device, token or handler."""
    head = "\n".join(path.read_text().splitlines()[:12])
    assert "On the gateway" in head
    assert "gateway device add" in head


@pytest.mark.parametrize("path", SKETCHES[1:], ids=lambda path: path.name)
def test_sketches_use_the_topics_of_the_contract(path: Path) -> None:
    """Every topic a sketch is built of is one that the gateway knows, and sign-in, will and reply
    are there.
    """
    text = path.read_text()
    device = re.search(r'#define DEVICE_ID "(.+)"', text)
    assert device
    for topic in re.findall(r'#define \w+ ("devices/.*)', text):
        whole = topic.replace("DEVICE_ID", f'"{device[1]}"').replace('" "', "").strip('"')
        whole += "name" if whole.endswith("/") else ""
        assert any(pattern.match(whole) for pattern in DEVICE_TOPICS), whole
    assert 'mqtt.connect(DEVICE_ID, DEVICE_ID, DEVICE_KEY, STATUS, 1, true, "offline")' in text
    assert 'mqtt.subscribe(COMMANDS "#", 1)' in text
    assert "mqtt.publish(REPLIES" in text


def test_the_http_sketch_speaks_http() -> None:
    """What the Arduino prints, put together, is a request that a server of ours can read."""
    text = (EXAMPLES / "arduino_http/arduino_http.ino").read_text()
    printed = re.findall(r'client\.print\((?:F\()?((?:"[^;]*")|\w+|strlen\(json\))\)?\);', text)
    values = {"GATEWAY": "192.168.1.10", "strlen(json)": "2", "json": "{}"}
    request = "".join(values.get(part) or _literal(part) for part in printed)
    head, body = request.split("\r\n\r\n")
    assert head.splitlines() == [
        "POST /api/v1/devices/greenhouse/telemetry HTTP/1.1",
        "Host: 192.168.1.10",
        "Authorization: Bearer KEY",
        "Content-Type: application/json",
        "Connection: close",
        "Content-Length: 2",
    ]
    assert body == "{}"


def _literal(source: str) -> str:
    joined = source.replace("DEVICE_ID", '"greenhouse"').replace("DEVICE_KEY", '"KEY"')
    return "".join(re.findall(r'"([^"]*)"', joined)).replace("\\r\\n", "\r\n")


class _Page(HTMLParser):
    """Collects a page's script and the ids and names in it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.script = ""
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.ids |= {value for name, value in attrs if name == "id" and value}

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.script += data


def test_the_page_holds_together() -> None:
    """The page's script finds the elements it asks for, and puts no device's words into markup."""
    page = _Page()
    page.feed((EXAMPLES / "browser.html").read_text())
    assert set(re.findall(r'getElementById\("(\w+)"\)', page.script)) == page.ids
    assert not re.search(r"\.innerHTML|insertAdjacentHTML|document\.write", page.script)
    assert "/api/v1/ws" in page.script


def test_raspberry_pi_reports_and_answers(tmp_path: Path) -> None:
    """The Pi's program reports, obeys its two commands, and says goodbye when interrupted."""
    with MqttPeer() as peer:
        program = [
            sys.executable,
            EXAMPLES / "raspberry_pi.py",
            "attic",
            "secret",
            "--host",
            "127.0.0.1",
        ]
        options = [
            "--port",
            str(peer.port),
            "--keep-in",
            tmp_path / "unsent.db",
            "--interval",
            "3600",
        ]
        with subprocess.Popen(
            [*program, *options], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                connect = peer.connects.get(timeout=WAIT)
                assert (connect.username, connect.password) == ("attic", "secret")
                assert "load" in json.loads(peer.expect("devices/attic/telemetry"))["values"]
                peer.publish("devices/attic/commands/led", b"true")
                assert peer.expect("devices/attic/replies/led") == b"true"
                peer.publish("devices/attic/commands/interval", b"0.5")
                assert peer.expect("devices/attic/telemetry")
                process.send_signal(signal.SIGINT)
                assert peer.expect("devices/attic/status") == b"offline"
                output, _ = process.communicate(timeout=WAIT)
            finally:
                process.kill()
        assert (process.returncode, output) == (0, "LED on\n")


async def test_listener_prints_frames() -> None:
    """The listener prints one JSON object a line, goes on after a lost connection, and ends when
    interrupted.
    """
    async with FramesPeer() as peer:
        first = peer.store("temperature", 21.4)
        process = await asyncio.create_subprocess_exec(
            sys.executable, EXAMPLES / "listener.py", peer.url, "good", "kitchen/#",
            env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(WAIT):
                assert process.stdout is not None
                assert json.loads(await process.stdout.readline()) == first
                await peer.drop()
                second = peer.store("humidity", 40)
                assert json.loads(await process.stdout.readline()) == second
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()


async def test_thermostat_switches_with_hysteresis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heater goes on below the setpoint and off above it, is told of changes only, and again
    after a reconnect.
    """
    stand_in: Any = types.ModuleType("gateway.handlers")
    stand_in.DeviceType = type("DeviceType", (), {})
    stand_in.Device = type("Device", (), {"id": "living-room", "join": lambda self, room: None})
    monkeypatch.setitem(sys.modules, "gateway.handlers", stand_in)
    thermostat = runpy.run_path(str(EXAMPLES / "thermostat_handler.py"))["Thermostat"]()
    device = stand_in.Device()
    await thermostat.on_connect(device)
    await thermostat.on_setpoint(20, device)
    answers = [
        await thermostat.on_temperature(value, device)
        for value in (19, 19.8, 20.4, 20.6, 20.1, 19.4)
    ]
    assert answers == [("heater", 1), None, None, ("heater", 0), None, ("heater", 1)]
    await thermostat.on_disconnect(device)
    await thermostat.on_connect(device)
    assert await thermostat.on_temperature(19, device) == ("heater", 1)
