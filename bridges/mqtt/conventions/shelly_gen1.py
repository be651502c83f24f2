"""Shelly of the first generation: one topic for each value below `shellies/ID`.

Source: shelly-api-docs.shelly.cloud, Gen1 "MQTT Support". Names
and units are not announced: they stand in the table here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gateway.bridges.mqtt.conventions.convention import (
    Describe,
    Dialect,
    Fact,
    Hello,
    Outgoing,
    Read,
    Reply,
    Request,
    Root,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.leaves import json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence


class Row(NamedTuple):
    """A topic below the root: how its text is read, its unit and its kind.

    `form`: number, switch (on, off), truth (0, 1), energy (watt-minutes), text, event, json.
    """

    form: str
    unit: str = ""
    kind: str = ""


ROWS: dict[str, Row] = {
    "relay/N": Row("switch"),
    "relay/N/power": Row("number", "W", "power"),
    "relay/N/energy": Row("energy", "Wh", "energy"),
    "relay/N/overpower_value": Row("number", "W", "power"),
    "relay/power": Row("number", "W", "power"),
    "relay/energy": Row("energy", "Wh", "energy"),
    "emeter/N/power": Row("number", "W", "power"),
    "emeter/N/voltage": Row("number", "V", "voltage"),
    "emeter/N/current": Row("number", "A", "current"),
    "emeter/N/pf": Row("number", "", "power_factor"),
    "emeter/N/reactive_power": Row("number", "var", "reactive_power"),
    "emeter/N/energy": Row("energy", "Wh", "energy"),
    "emeter/N/returned_energy": Row("energy", "Wh", "energy"),
    "emeter/N/total": Row("number", "Wh", "energy"),
    "emeter/N/total_returned": Row("number", "Wh", "energy"),
    "input/N": Row("truth"),
    "input_event/N": Row("event"),
    "longpush/N": Row("truth"),
    "light/N": Row("switch"),
    "light/N/power": Row("number", "W", "power"),
    "light/N/energy": Row("energy", "Wh", "energy"),
    "light/N/status": Row("json"),
    "color/N": Row("switch"),
    "color/N/status": Row("json"),
    "white/N": Row("switch"),
    "white/N/status": Row("json"),
    "roller/N": Row("text"),
    "roller/N/pos": Row("number", "%"),
    "roller/N/power": Row("number", "W", "power"),
    "roller/N/energy": Row("energy", "Wh", "energy"),
    "roller/N/stop_reason": Row("text"),
    "temperature": Row("number", "°C", "temperature"),
    "overtemperature": Row("truth", "", "heat"),
    "voltage": Row("number", "V", "voltage"),
    "ext_temperature/N": Row("number", "°C", "temperature"),
    "ext_humidity/N": Row("number", "%", "humidity"),
    "ext_switch/N": Row("truth"),
    "adc/N": Row("number", "V", "voltage"),
    "sensor/temperature": Row("number", "°C", "temperature"),
    "sensor/humidity": Row("number", "%", "humidity"),
    "sensor/battery": Row("number", "%", "battery"),
    "sensor/lux": Row("number", "lx", "illuminance"),
    "sensor/state": Row("text"),
    "sensor/tilt": Row("number", "°"),
    "sensor/vibration": Row("truth", "", "vibration"),
    "sensor/flood": Row("truth", "", "moisture"),
    "sensor/smoke": Row("truth", "", "smoke"),
    "sensor/gas": Row("text"),
    "sensor/concentration": Row("number", "ppm"),
    "sensor/motion": Row("truth", "", "motion"),
    "sensor/active": Row("truth"),
    "sensor/charger": Row("truth"),
    "sensor/error": Row("text"),
    "sensor/act_reasons": Row("text"),
    "status": Row("json"),
}
ON = {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}
MISSING = {999.0, -100.0}  # what a temperature probe that is not there says

_NUMBERED = re.compile(r"/[0-9]{1,2}(?=/|$)")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,10})?")
_COMMAND = re.compile(r"(relay|light|color|white|roller)/([0-9]{1,2})(/pos|/brightness)?")


class ShellyGen1:
    """Recognises a Shelly of the first generation by its will, `shellies/ID/online`."""

    name = "shelly-gen1"

    def recognise(self, hello: Hello) -> Root | None:
        levels = (hello.will_topic or "").split("/")
        if len(levels) != 3 or levels[0] != "shellies" or levels[2] != "online" or not levels[1]:
            return None
        return self.rooted("/".join(levels[:2]))

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            publish=(f"{topic}/#", "shellies/announce"),
            subscribe=(f"{topic}/#", "shellies/command"),
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return ShellyGen1Dialect(root)


class ShellyGen1Dialect:
    """One Shelly of the first generation."""

    def __init__(self, root: Root) -> None:
        self._root = root.topic
        self._id = root.topic.rpartition("/")[2]
        self._about: dict[str, Any] = {"manufacturer": "Shelly"}
        self._channels: dict[str, Any] = {}
        self._commands: dict[str, Any] = {}
        self._asked: dict[str, str] = {}  # the channel that answers -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        if topic in ("shellies/announce", f"{self._root}/announce"):
            return self._read_announcement
        what = topic.removeprefix(f"{self._root}/")
        if what == "online":
            return self._read_online
        row = ROWS.get(_NUMBERED.sub("/N", what))
        if what == topic or row is None:
            return None
        return lambda payload: self._read(what, row, payload)

    def _read(self, channel: str, row: Row, payload: bytes) -> list[Fact]:
        if row.form == "json":
            values = [
                (f"{channel.removesuffix('/status')}/{path}", leaf)
                for path, leaf in leaves(json_object(payload), without=("source", "has_timer"))
            ]
        else:
            value = _value(row, payload)
            if value is None:
                return []
            values = [(channel, value)]
        facts: list[Fact] = [Value(path, to_json(value)) for path, value in values]
        if self._learn([path for path, _ in values], row):
            facts.append(self._described())
        name = self._asked.pop(channel, None)
        if name is not None:
            facts.append(Reply(name, to_json(values[0][1] if len(values) == 1 else dict(values))))
        return facts

    def _read_online(self, payload: bytes) -> Sequence[Fact]:
        if payload not in (b"true", b"false"):
            raise Untranslatable(f"online is true or false, not {payload[:40]!r}")
        return [Status("online" if payload == b"true" else "offline")]

    def _read_announcement(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        if said.get("id") != self._id:
            raise Untranslatable("this announces another Shelly: its id is not in the topic")
        for key, field in (("model", "model"), ("fw_ver", "version")):
            if isinstance(said.get(key), str):
                self._about[field] = said[key]
        return [self._described()]

    def _learn(self, channels: list[str], row: Row) -> bool:
        new = [channel for channel in channels if channel not in self._channels]
        for channel in new:
            if len(self._channels) < 1000:
                field = {"unit": row.unit, "kind": row.kind}
                self._channels[channel] = {key: text for key, text in field.items() if text}
                if row.form == "event":
                    self._channels[channel]["event"] = True
                self._control(channel, row)
        return bool(new)

    def _control(self, channel: str, row: Row) -> None:
        if row.form == "switch":
            self._commands[channel] = {"type": "boolean", "channel": channel}
        elif channel.endswith("/brightness") or re.fullmatch(r"roller/[0-9]+/pos", channel):
            self._commands[channel] = {**_PERCENT, "channel": channel}
        elif re.fullmatch(r"roller/[0-9]+", channel):
            options = ["open", "close", "stop"]
            self._commands[channel] = {"type": "choice", "options": options, "channel": channel}

    def _described(self) -> Describe:
        return Describe(
            {**self._about, "channels": dict(self._channels), "commands": dict(self._commands)}
        )

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return [Outgoing(f"{self._root}/command", b"announce"), self._update()]

    def _update(self) -> Outgoing:
        return Outgoing(f"{self._root}/command", b"update")

    def write(self, request: Request) -> Sequence[Outgoing]:
        value = msgspec.json.decode(request.value)
        if request.name in ("update", "announce"):
            return [Outgoing(f"{self._root}/command", request.name.encode())]
        command = _COMMAND.fullmatch(request.name)
        if command is None:
            raise Invalid(
                f"{request.name!r} is no command of a Shelly: relay/0, light/0, color/0, white/0, "
                "roller/0, roller/0/pos or light/0/brightness"
            )
        kind, number, part = command.groups()
        topic = f"{self._root}/{kind}/{number}"
        while len(self._asked) >= 64:
            del self._asked[next(iter(self._asked))]
        if part == "/pos":
            self._asked[f"{kind}/{number}/pos"] = request.name
            return [Outgoing(f"{topic}/command/pos", request.value.encode())]
        answers = (
            f"{kind}/{number}/status" if part or isinstance(value, dict) else f"{kind}/{number}"
        )
        self._asked[answers] = request.name
        if part == "/brightness":
            return [Outgoing(f"{topic}/set", to_json({"brightness": value}).encode())]
        if isinstance(value, dict):
            return [Outgoing(f"{topic}/set", request.value.encode())]
        return [Outgoing(f"{topic}/command", _word(value).encode())]


_PERCENT = {"type": "number", "min": 0, "max": 100, "unit": "%"}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in ("on", "off", "toggle", "open", "close", "stop"):
        return str(value)
    raise Invalid("true, false, or one of on, off, toggle, open, close and stop is expected")


def _value(row: Row, payload: bytes) -> Any:
    """Return a value, or None for a probe that is not there. Raises `Untranslatable`."""
    if row.form == "event":
        return json_object(payload).get("event")
    text = payload[:200].decode("utf-8", "replace").strip()
    if row.form == "text":
        return text
    if row.form in ("switch", "truth"):
        return ON.get(text, text)  # overpower stays a text
    if not _NUMBER.fullmatch(text):
        raise Untranslatable(f"not a number: {text[:40]!r}")
    number = float(text) if "." in text else int(text)
    if row.unit == "°C" and float(number) in MISSING:
        return None
    return round(number / 60, 3) if row.form == "energy" else number
