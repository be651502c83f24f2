"""Tasmota: `tele/T/SENSOR`, `stat/T/RESULT`, `cmnd/T/POWER`, and its own discovery.

Source: arendst/Tasmota, xdrv_02_9_mqtt and xdrv_12_discovery. T is the
gadget's topic; FullTopic may put it before the prefix. Times in its messages have no time zone and
are not used. ON and OFF of a relay are true and false here; other texts stay as they are.
"""

from __future__ import annotations

import re
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
from gateway.errors import Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIXES = ("cmnd", "stat", "tele")
# Of no use as values: the time without zone, and what says how to read the others.
WITHOUT = frozenset(
    {"Time", "Id", "TempUnit", "PressureUnit", "SpeedUnit", "TotalStartTime", "Epoch"}
)
MAX_CHILDREN = 1000  # behind one Zigbee bridge
REMEMBERED = 32  # commands that wait for their answer

_POWER = re.compile(r"POWER([0-9]*)")
_INDEXED = re.compile(r"^(.+?)1$")

# The last part of a channel -> unit and kind (Home Assistant's device class).
UNITS: dict[str, tuple[str, str | None]] = {
    "Humidity": ("%", "humidity"),
    "Moisture": ("%", "moisture"),
    "Battery": ("%", "battery"),
    "BatteryPercentage": ("%", "battery"),
    "Illuminance": ("lx", "illuminance"),
    "CarbonDioxide": ("ppm", "carbon_dioxide"),
    "eCO2": ("ppm", "carbon_dioxide"),
    "TVOC": ("ppb", "volatile_organic_compounds_parts"),
    "PM1": ("µg/m³", "pm1"),
    "PM2.5": ("µg/m³", "pm25"),
    "PM10": ("µg/m³", "pm10"),
    "Power": ("W", "power"),
    "ActivePower": ("W", "power"),
    "ApparentPower": ("VA", "apparent_power"),
    "ReactivePower": ("var", "reactive_power"),
    "Factor": ("", "power_factor"),
    "Voltage": ("V", "voltage"),
    "Current": ("A", "current"),
    "Frequency": ("Hz", "frequency"),
    "Total": ("kWh", "energy"),
    "Today": ("kWh", "energy"),
    "Yesterday": ("kWh", "energy"),
    "Energy": ("kWh", "energy"),
    "ImportActive": ("kWh", "energy"),
    "ExportActive": ("kWh", "energy"),
    "Distance": ("cm", "distance"),
    "Weight": ("kg", "weight"),
    "CCT": ("K", None),
    "PhaseAngle": ("°", None),
    "RSSI": ("%", None),
    "Signal": ("dBm", "signal_strength"),
    "UptimeSec": ("s", "duration"),
}
# Where the unit is said beside the values: the parts that have it, and the member that says it.
SAID_UNITS = {
    "Temperature": ("TempUnit", "temperature"),
    "DewPoint": ("TempUnit", "temperature"),
    "Pressure": ("PressureUnit", "pressure"),
    "SeaPressure": ("PressureUnit", "pressure"),
    "Speed": ("SpeedUnit", "speed"),
}
NOT_ENERGY = {"AS3935", "LD2410"}  # sensors whose `Energy` is a count


class Tasmota:
    """Recognises Tasmota by its will, `tele/T/LWT`."""

    name = "tasmota"

    def recognise(self, hello: Hello) -> Root | None:
        levels = (hello.will_topic or "").split("/")
        if len(levels) < 3 or levels[-1] != "LWT" or "tele" not in levels[:-1]:
            return None
        return self._root("/".join(levels[:-1]), hello.client_id)

    def rooted(self, topic: str) -> Root:
        return self._root(topic if "tele" in topic.split("/") else f"tele/{topic}")

    def dialect(self, device: str, root: Root) -> Dialect:
        return TasmotaDialect(root)

    def _root(self, tele: str, client_id: str = "") -> Root:
        own = [_under(tele, prefix) for prefix in PREFIXES]
        fallback = (f"cmnd/{client_id}_fb/#",) if re.fullmatch(r"\w+", client_id) else ()
        return Root(
            tele,
            publish=(*(f"{each}/#" for each in own), "tasmota/discovery/+/+"),
            subscribe=(f"{own[0]}/#", "cmnd/tasmotas/#", *fallback),
        )


def _under(tele: str, prefix: str) -> str:
    """Return the topic of another prefix: `tele/kitchen` -> `cmnd/kitchen`."""
    levels = tele.split("/")
    levels[levels.index("tele")] = prefix
    return "/".join(levels)


class TasmotaDialect:
    """One Tasmota device at its topic."""

    def __init__(self, root: Root) -> None:
        self._tele = root.topic
        self._stat = _under(root.topic, "stat")
        self._cmnd = _under(root.topic, "cmnd")
        self._there = {"Online": True, "Offline": False}
        self._states = {"OFF": False, "ON": True}
        self._about: dict[str, Any] = {"manufacturer": "Tasmota"}
        self._config: dict[str, Any] = {}
        self._children: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, str] = {}  # what RESULT will call it -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        if topic.startswith("tasmota/discovery/"):
            return {"config": self._read_config, "sensors": self._read_sensors}.get(
                topic.rpartition("/")[2]
            )
        where, _, what = topic.rpartition("/")
        if where == self._tele:
            return self._of_tele(what)
        if where == self._stat:
            return self._of_stat(what)
        if where.rpartition("/")[0] == self._tele and what == "SENSOR":
            return self._read_values  # SetOption89: a topic for each Zigbee device
        return None

    def _of_tele(self, what: str) -> Read | None:
        if what == "LWT":
            return self._read_status
        if what.startswith("INFO"):
            return self._read_info
        return self._read_values if what in {"SENSOR", "STATE", "RESULT"} else None

    def _of_stat(self, what: str) -> Read | None:
        if what in {"STATUS8", "STATUS10", "STATUS11"}:
            return self._read_asked_status
        if what.startswith("STATUS") or what in {"LOGGING", "UPGRADE"}:
            return None
        return self._read_result

    def _read_status(self, payload: bytes) -> Sequence[Fact]:
        text = payload.decode("utf-8", "replace")
        if text not in self._there:
            raise Untranslatable(f"LWT is {' or '.join(self._there)}, not {text[:40]!r}")
        return [Status("online" if self._there[text] else "offline")]

    def _read_values(self, payload: bytes) -> Sequence[Fact]:
        return self._values(json_object(payload))

    def _read_asked_status(self, payload: bytes) -> Sequence[Fact]:
        inner = next(iter(json_object(payload).values()), None)
        return self._values(inner) if isinstance(inner, dict) else []

    def _read_result(self, payload: bytes) -> Sequence[Fact]:
        """Read `stat/T/RESULT`, or with SetOption4 `stat/T/POWER`.

        What is said there is said in RESULT as well where it is no JSON object: `ON`.
        """
        if not payload.lstrip().startswith(b"{"):
            return []
        said = json_object(payload)
        if said.get("Command") in ("Unknown", "Error"):
            return self._refused(str(said["Command"]))
        return [*self._values(said), *self._replies(said)]

    def _values(self, said: dict[str, Any]) -> list[Fact]:
        children = said.pop("ZbReceived", None)
        facts: list[Fact] = [
            Value(channel, to_json(self._state(channel, leaf)))
            for channel, leaf in leaves(said, without=WITHOUT)
        ]
        if isinstance(children, dict):
            for key, member in children.items():
                if isinstance(member, dict):
                    facts += self._child(key, member)
        return facts

    def _child(self, key: str, said: dict[str, Any]) -> list[Fact]:
        child = child_id(said.get("Name") or said.get("Device") or key)
        name = said.get("Name")
        unwanted = WITHOUT | {"Device", "Name", "Endpoint"}
        facts: list[Fact] = [
            Value(channel, to_json(leaf), None, child)
            for channel, leaf in leaves(said, without=unwanted)
        ]
        known = self._children.get(child, {})
        about: dict[str, Any] = {"name": name} if isinstance(name, str) else {}
        about["channels"] = {**known.get("channels", {}), **_described(said, unwanted)}
        if about != known and (known or len(self._children) < MAX_CHILDREN):
            self._children[child] = about
            facts.append(Describe(about, child))
        return facts

    def _state(self, channel: str, leaf: Any) -> Any:
        if _POWER.fullmatch(channel) and isinstance(leaf, str):
            return self._states.get(leaf, leaf)
        return leaf

    def _read_info(self, payload: bytes) -> Sequence[Fact]:
        for info in json_object(payload).values():
            if isinstance(info, dict):
                for key, field in (("Module", "model"), ("Version", "version")):
                    if isinstance(info.get(key), str):
                        self._about[field] = info[key]
        return [Describe(self._about)]

    # What it says of itself

    def _read_config(self, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return [Describe({})]
        config = json_object(payload)
        if not self._own(config):
            raise Untranslatable("this announces another gadget: its topic is not this device's")
        self._config = config
        self._there = {
            str(config.get("onln", "Online")): True,
            str(config.get("ofln", "Offline")): False,
        }
        states = config.get("state")
        if isinstance(states, list) and len(states) >= 2:
            self._states = {str(states[0]): False, str(states[1]): True}
        for key, field in (("dn", "name"), ("md", "model"), ("sw", "version")):
            if isinstance(config.get(key), str):
                self._about[field] = config[key]
        commands, channels = _controls(config)
        self._about["commands"] = commands
        self._about["channels"] = {**self._about.get("channels", {}), **channels}
        return [Describe(self._about)]

    def _own(self, config: dict[str, Any]) -> bool:
        """Tell whether an announcement is about the topics of this root."""
        prefixes = config.get("tp")
        if not isinstance(prefixes, list) or len(prefixes) != 3:
            return False
        full = str(config.get("ft", "%prefix%/%topic%/"))
        mac = str(config.get("mac", ""))
        for mark, text in (
            ("%prefix%", prefixes[2]),
            ("%topic%", config.get("t", "")),
            ("%hostname%", config.get("hn", "")),
            ("%id%", mac[-6:]),
        ):
            full = full.replace(mark, str(text))
        return full.rstrip("/") == self._tele

    def _read_sensors(self, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return []
        said = json_object(payload).get("sn")
        if not isinstance(said, dict):
            raise Untranslatable("sensors: `sn` is missing")
        described = _described(said, WITHOUT)
        self._about["channels"] = {**described, **self._about.get("channels", {})}
        return [Describe(self._about)]

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return [Outgoing(f"{self._cmnd}/STATUS", b"8"), Outgoing(f"{self._cmnd}/STATE", b"")]

    def write(self, request: Request) -> Sequence[Outgoing]:
        value = msgspec.json.decode(request.value)
        if isinstance(value, bool):
            text = "ON" if value else "OFF"
        elif value is None:
            text = ""
        else:
            text = value if isinstance(value, str) else request.value
        command = request.name.rpartition("/")[2]
        while len(self._asked) >= REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[_called(command)] = request.name
        return [Outgoing(f"{self._cmnd}/{command}", text.encode())]

    def _replies(self, said: dict[str, Any]) -> list[Fact]:
        facts: list[Fact] = []
        for key, value in said.items():
            name = self._asked.pop(_called(key), None)
            if name is not None:
                facts.append(Reply(name, to_json(self._state(key, value))))
        return facts

    def _refused(self, why: str) -> list[Fact]:
        if not self._asked:
            return []
        name = self._asked.pop(next(iter(self._asked)))
        return [Reply(name, error="it knows no such command" if why == "Unknown" else why)]


def _called(name: str) -> str:
    """Return the name by which RESULT answers: upper case, without a 1 at its end."""
    upper = name.upper()
    one = _INDEXED.match(upper)
    return one[1] if one and not one[1][-1].isdigit() else upper


def _described(said: dict[str, Any], without: frozenset[str] | set[str]) -> dict[str, Any]:
    """Return the channels of a sensor message with their units."""
    channels = {}
    for channel, leaf in leaves(said, without=without):
        field = _field(channel, said)
        if field or isinstance(leaf, int | float):
            channels[channel] = field
    return channels


def _field(channel: str, said: dict[str, Any]) -> dict[str, Any]:
    parts = [part for part in channel.split("/") if not part.isdigit()]
    leaf = parts[-1] if parts else ""
    if leaf in SAID_UNITS:
        member, kind = SAID_UNITS[leaf]
        unit: Any = said.get(member) or ("C" if member == "TempUnit" else None)
    elif leaf in UNITS and not (leaf == "Energy" and NOT_ENERGY & set(parts)):
        unit, kind_or_none = UNITS[leaf]
        kind = kind_or_none or ""
    else:
        return {}
    spelt = {"C": "°C", "F": "°F"}.get(unit, unit) if isinstance(unit, str) else None
    return {key: value for key, value in (("unit", spelt), ("kind", kind)) if value}


def _controls(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the commands that a configuration offers, and what their channels are called."""
    relays = config.get("rl")
    relays = relays if isinstance(relays, list) else []
    names = config.get("fn")
    names = names if isinstance(names, list) else []
    several = sum(1 for relay in relays if relay) > 1
    commands: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    shutters = 0
    for number, relay in enumerate(relays, 1):
        if relay in (1, 2):
            power = f"POWER{number}" if several else "POWER"
            name = names[number - 1] if number <= len(names) else None
            field = {"name": name} if isinstance(name, str) else {}
            commands[power] = {"type": "boolean", "channel": power, **field}
            channels[power] = field
        elif relay == 3:
            shutters += 1
    for number in range(1, shutters // 2 + 1):
        commands[f"ShutterPosition{number}"] = {
            "type": "number",
            "min": 0,
            "max": 100,
            "unit": "%",
            "channel": f"Shutter{number}/Position",
        }
    commands |= _light(config.get("lt_st"))
    if config.get("if") == 1:
        commands["FanSpeed"] = {"type": "choice", "options": [0, 1, 2, 3], "channel": "FanSpeed"}
    return commands, channels


def _light(kind: Any) -> dict[str, Any]:
    """Return the commands of a light: 1 dimmer, 2 white, 3 colour, 4 with white, 5 with both."""
    commands: dict[str, Any] = {}
    if not isinstance(kind, int) or isinstance(kind, bool) or not 1 <= kind <= 5:
        return commands
    commands["Dimmer"] = {"type": "number", "min": 0, "max": 100, "unit": "%", "channel": "Dimmer"}
    if kind in (2, 5):
        commands["CT"] = {"type": "number", "min": 153, "max": 500, "channel": "CT"}
    if kind >= 3:
        commands["Color"] = {"type": "text", "max": 20, "channel": "Color"}
    return commands
