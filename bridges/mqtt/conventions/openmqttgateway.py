"""OpenMQTTGateway and Theengs Gateway: what a receiver hears by Bluetooth, 433 MHz, infrared, LoRa.

Source: docs.openmqttgateway.com and gateway.theengs.io. The
receiver is a hub at `home/NAME`; what it hears are children by their address. Phones that pass by
have no `model_id` and are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from gateway.bridges.mqtt.conventions.leaves import child_id, json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json
from gateway.times import from_rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHILDREN = 1000
WITHOUT = frozenset(
    {
        "id",
        "mac",
        "name",
        "brand",
        "model",
        "model_id",
        "type",
        "track",
        "tempf",
        "tempf2_",
        "mac_type",
    }
    | {"UTCtime", "unixtime", "manufacturerdata", "servicedata", "servicedatauuid", "adv_type"}
)
# What comes from radios other than Bluetooth: a value that happened, not one that is.
HEARD = {"433toMQTT", "IRtoMQTT", "LORAtoMQTT", "PilighttoMQTT", "SRFBtoMQTT", "RFMtoMQTT"}

UNITS: dict[str, tuple[str, str]] = {
    "tempc": ("°C", "temperature"),
    "tempc2": ("°C", "temperature"),
    "hum": ("%", "humidity"),
    "batt": ("%", "battery"),
    "lux": ("lx", "illuminance"),
    "moi": ("%", "moisture"),
    "fer": ("µS/cm", "conductivity"),
    "pres": ("hPa", "pressure"),
    "volt": ("V", "voltage"),
    "current": ("A", "current"),
    "power": ("W", "power"),
    "energy": ("kWh", "energy"),
    "weight": ("kg", "weight"),
    "co2": ("ppm", "carbon_dioxide"),
    "pm25": ("µg/m³", "pm25"),
    "pm10": ("µg/m³", "pm10"),
    "rssi": ("dBm", "signal_strength"),
    "distance": ("m", "distance"),
    "open": ("", "opening"),
    "presence": ("", "presence"),
    "motion": ("", "motion"),
    "uptime": ("s", "duration"),
    "freemem": ("B", "data_size"),
    "tempf": ("°F", "temperature"),
}


class OpenMqttGateway:
    """Recognises OpenMQTTGateway by its will, `BASE/NAME/LWT` with `offline`."""

    name = "openmqttgateway"

    def recognise(self, hello: Hello) -> Root | None:
        root = _root_of(hello)
        return None if root is None or "Theengs" in root else self.rooted(root)

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            publish=(f"{topic}/#", "homeassistant/+/+/config", "homeassistant/+/+/+/config"),
            subscribe=(f"{topic}/commands/#", f"{topic}/#", "homeassistant/status"),
            hub=True,
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return ReceiverDialect(root, {"manufacturer": "OpenMQTTGateway"})


class Theengs(OpenMqttGateway):
    """Recognises Theengs Gateway, which has the same topics, by its name in them."""

    name = "theengs"

    def recognise(self, hello: Hello) -> Root | None:
        root = _root_of(hello)
        return self.rooted(root) if root is not None and "Theengs" in root else None

    def dialect(self, device: str, root: Root) -> Dialect:
        return ReceiverDialect(root, {"manufacturer": "Theengs", "model": "Theengs Gateway"})


def _root_of(hello: Hello) -> str | None:
    topic, _, last = (hello.will_topic or "").rpartition("/")
    levels = topic.split("/")
    fits = last == "LWT" and len(levels) >= 2 and all(levels) and "tele" not in levels
    return topic if fits and hello.will_payload == b"offline" else None


class ReceiverDialect:
    """One receiver and what it hears."""

    def __init__(self, root: Root, about: dict[str, Any]) -> None:
        self._root = root.topic
        self._about = about
        self._children: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, str] = {}  # the radio that echoes -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        what = topic.removeprefix(f"{self._root}/")
        radio = what.partition("/")[0]
        if what == topic:
            return None
        if what == "LWT":
            return self._read_status
        if radio == "SYStoMQTT":
            return self._read_system
        if radio == "BTtoMQTT":
            return self._read_bluetooth
        if radio == "RTL_433toMQTT":
            return self._read_weather
        return (lambda payload: self._read_heard(radio, payload)) if radio in HEARD else None

    def _read_status(self, payload: bytes) -> Sequence[Fact]:
        if payload not in (b"online", b"offline"):
            raise Untranslatable(f"LWT is online or offline, not {payload[:40]!r}")
        return [Status("online" if payload == b"online" else "offline")]

    def _read_system(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        facts: list[Fact] = [
            Value(path, to_json(leaf))
            for path, leaf in leaves(said, without={"version", "modules", "ip", "mac", "ssid"})
        ]
        if isinstance(said.get("version"), str) and self._about.get("version") != said["version"]:
            self._about["version"] = said["version"]
            channels = {fact.channel: _field(fact.channel) for fact in facts if type(fact) is Value}
            facts.append(Describe({**self._about, "channels": channels}))
        return facts

    def _read_bluetooth(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        address = said.get("id") or said.get("mac")
        if not isinstance(address, str) or not address:
            raise Untranslatable("a Bluetooth device without an address (id)")
        if not isinstance(said.get("model_id"), str):
            return []
        return self._child(child_id(address), said, said.get("name") or said.get("model"))

    def _read_weather(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        child = child_id(said.get("model"), said.get("channel"), said.get("id"))
        return self._child(child, {**said, "id": None, "channel": None}, said.get("model"))

    def _child(self, child: str, said: dict[str, Any], name: Any) -> list[Fact]:
        ts = _time(said)
        values = list(leaves(said, without=WITHOUT))
        facts: list[Fact] = [Value(path, to_json(leaf), ts, child) for path, leaf in values]
        known = self._children.get(child)
        channels = {**(known or {}), **{path: _field(path) for path, _ in values}}
        if known != channels and (known is not None or len(self._children) < MAX_CHILDREN):
            self._children[child] = channels
            texts = {"name": name, "manufacturer": said.get("brand"), "model": said.get("model")}
            about = {key: text for key, text in texts.items() if isinstance(text, str)}
            facts.insert(0, Describe({**about, "channels": channels}, child))
        return facts

    def _read_heard(self, radio: str, payload: bytes) -> Sequence[Fact]:
        """Read a code of a remote control; the echo of one that was sent answers that command."""
        said = json_object(payload)
        facts: list[Fact] = [Value(f"{radio}/{path}", to_json(leaf)) for path, leaf in leaves(said)]
        name = self._asked.pop(radio, None)
        return facts if name is None else [*facts, Reply(name, to_json(said))]

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return []

    def write(self, request: Request) -> Sequence[Outgoing]:
        """Write a command: the name is the topic below `commands`, as `MQTTto433`."""
        value = msgspec.json.decode(request.value)
        if request.child is not None:
            raise Invalid("what a receiver hears cannot be told anything")
        if not request.name.startswith("MQTTto") or not isinstance(value, dict):
            raise Invalid("a command is MQTTto433, MQTTtoBT/config and so on, with an object")
        radio = request.name.removeprefix("MQTTto").partition("/")[0]
        if "/" not in request.name and f"{radio}toMQTT" in HEARD:
            self._asked[f"{radio}toMQTT"] = request.name
        return [Outgoing(f"{self._root}/commands/{request.name}", request.value.encode())]


def _time(said: dict[str, Any]) -> int | None:
    seconds = said.get("unixtime")
    if isinstance(seconds, int) and 1_000_000_000 < seconds < 100_000_000_000:
        return seconds * 1000
    text = said.get("UTCtime")
    try:
        return from_rfc3339(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _field(path: str) -> dict[str, str]:
    unit, kind = UNITS.get(path, ("", ""))
    return {key: text for key, text in (("unit", unit), ("kind", kind)) if text}
