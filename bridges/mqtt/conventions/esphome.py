"""ESPHome without discovery: type and name of an entity stand in the topic.

Source: esphome.io, "MQTT Client Component". P is the topic prefix, the
node's name unless somebody has changed it. Where discovery is on, the description comes as Home
Assistant's, with units: `home_assistant.py` reads it, and this only the values.
"""

from __future__ import annotations

import math
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
from gateway.bridges.mqtt.conventions.discovery import Entity, announcement, place_of
from gateway.bridges.mqtt.conventions.leaves import json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

# Types of entities whose state is ON or OFF, a number, an object, or a text.
SWITCHED = {"binary_sensor", "switch", "fan"}
NUMBERS = {"sensor", "number"}
OBJECTS = {"light", "event"}
# Types that can be told something -> the control.
CONTROLS: dict[str, dict[str, Any]] = {
    "switch": {"type": "boolean"},
    "fan": {"type": "boolean"},
    "light": {"type": "boolean"},
    "number": {"type": "number"},
    "select": {"type": "text"},
    "text": {"type": "text"},
    "button": {"type": "button"},
    "cover": {"type": "choice", "options": ["OPEN", "CLOSE", "STOP"]},
    "lock": {"type": "choice", "options": ["LOCK", "UNLOCK"]},
    "valve": {"type": "choice", "options": ["OPEN", "CLOSE", "STOP"]},
}
TYPES = {
    *SWITCHED,
    *NUMBERS,
    *OBJECTS,
    *CONTROLS,
    *("text_sensor", "climate", "alarm_control_panel", "date", "time", "datetime", "update"),
}


class EspHome:
    """Recognises ESPHome by its will, `P/status`, and the topics of entities below P.

    WLED has the same will: the subscriptions tell.
    """

    name = "esphome"

    def recognise(self, hello: Hello) -> Root | None:
        topic, _, last = (hello.will_topic or "").rpartition("/")
        if last != "status" or not topic or hello.will_payload != b"offline":
            return None
        shown = (*hello.filters, hello.first_topic or "")
        discovered = any(each.startswith(("esphome/discover", "esphome/ping/")) for each in shown)
        if discovered or _has_entities(topic, shown):
            return self.rooted(topic)
        return None if any(shown) else self.rooted(topic)._replace(certain=False)

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            publish=(f"{topic}/#", "homeassistant/+/+/+/config", "esphome/discover/+"),
            subscribe=(
                f"{topic}/#",
                "homeassistant/status",
                "esphome/discover",
                f"esphome/ping/{topic}",
            ),
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return EspHomeDialect(root)


def _has_entities(topic: str, shown: Sequence[str]) -> bool:
    for each in shown:
        levels = each.removeprefix(f"{topic}/").split("/")
        if (
            each.startswith(f"{topic}/")
            and levels[0] in TYPES
            and levels[-1]
            in (
                "command",
                "state",
            )
        ):
            return True
    return f"{topic}/debug" in shown


class EspHomeDialect:
    """One ESPHome node at its prefix."""

    def __init__(self, root: Root) -> None:
        self._prefix = root.topic
        self._about: dict[str, Any] = {"manufacturer": "ESPHome"}
        self._channels: dict[str, Any] = {}
        self._commands: dict[str, Any] = {}
        self._fields: dict[str, dict[str, Any]] = {}  # what it tells Home Assistant of a channel
        self._kinds: dict[str, str] = {}  # channel -> type of the entity
        self._asked: dict[str, str] = {}  # channel that answers -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        if topic.startswith("esphome/discover/"):
            return self._read_discovery
        if place_of(topic) is not None:
            return lambda payload: self._read_announcement(topic, payload)
        what = topic.removeprefix(f"{self._prefix}/")
        if what == topic:
            return None
        if what == "status":
            return self._read_status
        levels = what.split("/")
        if len(levels) < 3 or levels[0] not in TYPES or levels[-1] != "state":
            return None  # its log, its commands
        kind, entity = levels[0], "/".join(levels[1:-1])
        return lambda payload: self._read(kind, entity, payload)

    def _read_status(self, payload: bytes) -> Sequence[Fact]:
        if payload not in (b"online", b"offline"):
            raise Untranslatable(f"a status is online or offline, not {payload[:40]!r}")
        return [Status("online" if payload == b"online" else "offline")]

    def _read(self, kind: str, entity: str, payload: bytes) -> list[Fact]:
        if not payload:
            return []  # a retained state is cleared
        if kind in OBJECTS:
            values = _members(kind, entity, json_object(payload))
        else:
            value = _value(kind, entity, payload[:65_536].decode("utf-8", "replace"))
            values = [] if value is None else [(entity, value)]
        facts: list[Fact] = [Value(channel, to_json(value)) for channel, value in values]
        if self._learn(kind, [channel for channel, _ in values]):
            facts.append(self._described())
        for channel, value in values:
            name = self._asked.pop(channel, None)
            if name is not None:
                facts.append(Reply(name, to_json(value)))
        return facts

    def _learn(self, kind: str, channels: list[str]) -> bool:
        new = [channel for channel in channels if channel not in self._channels]
        for channel in new:
            if len(self._channels) >= 1000:
                return False
            self._kinds[channel] = kind
            self._channels[channel] = {"event": True} if kind == "event" else {}
            if kind in CONTROLS and "/" not in channel:
                self._commands[channel] = {**CONTROLS[kind], "channel": channel}
        return bool(new)

    def _read_discovery(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        for key, field in (("friendly_name", "name"), ("board", "model"), ("version", "version")):
            if isinstance(said.get(key), str) and said[key]:
                self._about[field] = said[key]
        return [self._described()]

    def _read_announcement(self, topic: str, payload: bytes) -> Sequence[Fact]:
        """Read what it tells Home Assistant: names and units of entities whose topics are known."""
        said = announcement(topic, payload)
        if said.device is not None:
            for field in ("name", "manufacturer", "model", "version"):
                text = getattr(said.device, field)
                if text is not None:
                    self._about[field] = text
        for entity in said.entities:
            self._take(entity)
        return [self._described()]

    def _take(self, entity: Entity) -> None:
        for key in ("state_topic", "command_topic"):
            topic = entity.config.get(key)
            levels = topic.removeprefix(f"{self._prefix}/").split("/") if type(topic) is str else []
            if len(levels) == 3 and levels[0] in TYPES and len(self._fields) < 1000:
                self._learn(levels[0], [levels[1]])
                self._fields[levels[1]] = _field(entity.config)
                if levels[0] in CONTROLS:
                    self._commands[levels[1]] |= _bounds(entity.config, levels[0])

    def _described(self) -> Describe:
        channels = {
            channel: {**field, **self._fields.get(channel, {})}
            for channel, field in self._channels.items()
        }
        commands = {
            name: {
                **control,
                **{k: v for k, v in self._fields.get(name, {}).items() if k == "name"},
            }
            for name, control in self._commands.items()
        }
        return Describe({**self._about, "channels": channels, "commands": commands})

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return []  # its states are retained and sent again when it connects

    def write(self, request: Request) -> Sequence[Outgoing]:
        """Write a command: the name of an entity, or `type/name` for one that has not spoken
        yet.
        """
        value = msgspec.json.decode(request.value)
        first, _, rest = request.name.partition("/")
        if first in TYPES and rest:
            kind, entity = first, rest
        else:
            kind, entity = self._kinds.get(request.name, ""), request.name
        if kind not in CONTROLS:
            raise Invalid(
                f"{request.name!r} is nothing that can be set: type/name, as switch/relay"
            )
        while len(self._asked) >= 64:
            del self._asked[next(iter(self._asked))]
        self._asked[entity] = request.name
        payload = _written(kind, value, request.value)
        return [Outgoing(f"{self._prefix}/{kind}/{entity}/command", payload.encode())]


def _field(config: dict[str, Any]) -> dict[str, Any]:
    """Return name, unit and kind of an entity."""
    sources = (("name", "name"), ("unit", "unit_of_measurement"), ("kind", "device_class"))
    found = {field: config[key] for field, key in sources if isinstance(config.get(key), str)}
    digits = config.get("suggested_display_precision")
    if type(digits) is int:
        found["digits"] = digits
    return {key: value for key, value in found.items() if value != ""}


def _bounds(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what a number or a selection may be."""
    options = config.get("options")
    if kind == "select" and isinstance(options, list):
        return {"type": "choice", "options": [each for each in options if type(each) is str][:200]}
    if kind != "number":
        return {}
    return {
        key: config[key] for key in ("min", "max", "step") if type(config.get(key)) in (int, float)
    }


def _written(kind: str, value: Any, text: str) -> str:
    if kind == "button":
        return "PRESS"
    if kind == "light":
        return text if isinstance(value, dict) else to_json({"state": "ON" if value else "OFF"})
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return value if isinstance(value, str) else text


def _members(kind: str, entity: str, said: dict[str, Any]) -> list[tuple[str, Any]]:
    if kind == "event":
        return [(entity, said["event_type"])] if isinstance(said.get("event_type"), str) else []
    values = []
    for path, leaf in leaves(said):
        if path == "state":
            values.append(
                (
                    entity,
                    {"ON": True, "OFF": False}.get(leaf, leaf) if isinstance(leaf, str) else leaf,
                )
            )
        else:
            values.append((f"{entity}/{path}", leaf))
    return values


def _value(kind: str, entity: str, text: str) -> Any:
    """Return a state; None where a sensor has no reading (`nan`). Raises `Untranslatable`."""
    if kind in SWITCHED and "/" not in entity:
        return {"ON": True, "OFF": False}.get(text, text)
    if kind == "text_sensor" or (kind not in NUMBERS and "/" not in entity):
        return text
    try:
        number = float(text) if len(text) <= 64 else None
    except ValueError:
        number = None
    if number is None:
        return text  # a text sensor also has the type `sensor`
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and "." not in text else number
