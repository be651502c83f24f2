"""Home Assistant's discovery as a consumer: devices that announce themselves to it are read here.

Source: home-assistant.io, "MQTT" and the pages of its components. An announcement is believed where
its topics are the sender's own or nobody's: they are claimed before they are read. The first device
that a connection announces is the connection itself, further ones are its children.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.bridges.mqtt.conventions.convention import (
    Claim,
    Describe,
    Dialect,
    Fact,
    Hello,
    Outgoing,
    Read,
    Removed,
    Reply,
    Request,
    Root,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.discovery import (
    Announcement,
    Device,
    Entity,
    announcement,
    place_of,
)
from gateway.bridges.mqtt.conventions.leaves import child_id, fitting
from gateway.bridges.mqtt.conventions.templates import Render, compiled, rendered, shown
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json
from gateway.topics import check_filter, covers, is_pattern

MAX_ENTITIES = 5_000  # of one connection
MAX_CHILDREN = 1_000

Decode = Callable[[str], Any]  # the text of a state -> the value, or _NOTHING
_NOTHING: Any = object()


class Part(NamedTuple):
    """One channel of an entity and the command that sets it, if there is one.

    `suffix`: what its name adds to the entity's; `prefix`: what the keys of its topics begin with.
    """

    suffix: str
    state: str
    template: str
    command: str
    command_template: str
    kind: str  # boolean, number, choice, text, button, event, json
    options: str = ""


# Component -> its channels: the keys of topic and template of each.
PARTS: dict[str, tuple[Part, ...]] = {
    "sensor": (Part("", "state_topic", "value_template", "", "", "sensor"),),
    "binary_sensor": (Part("", "state_topic", "value_template", "", "", "boolean"),),
    "switch": (
        Part("", "state_topic", "value_template", "command_topic", "command_template", "boolean"),
    ),
    "siren": (Part("", "state_topic", "state_value_template", "command_topic", "", "boolean"),),
    "number": (
        Part("", "state_topic", "value_template", "command_topic", "command_template", "number"),
    ),
    "select": (
        Part(
            "",
            "state_topic",
            "value_template",
            "command_topic",
            "command_template",
            "choice",
            "options",
        ),
    ),
    "text": (
        Part("", "state_topic", "value_template", "command_topic", "command_template", "text"),
    ),
    "button": (Part("", "", "", "command_topic", "command_template", "button"),),
    "scene": (Part("", "", "", "command_topic", "", "button"),),
    "event": (Part("", "state_topic", "value_template", "", "", "event"),),
    "device_tracker": (Part("", "state_topic", "value_template", "", "", "text"),),
    "update": (Part("", "state_topic", "value_template", "", "", "text"),),
    "lock": (
        Part("", "state_topic", "value_template", "command_topic", "command_template", "lock"),
    ),
    "cover": (
        Part("", "state_topic", "value_template", "command_topic", "", "cover"),
        Part(
            "/position",
            "position_topic",
            "position_template",
            "set_position_topic",
            "set_position_template",
            "number",
        ),
    ),
    "valve": (Part("", "state_topic", "value_template", "command_topic", "", "cover"),),
    "fan": (
        Part("", "state_topic", "state_value_template", "command_topic", "", "boolean"),
        Part(
            "/percentage",
            "percentage_state_topic",
            "percentage_value_template",
            "percentage_command_topic",
            "percentage_command_template",
            "number",
        ),
        Part(
            "/preset_mode",
            "preset_mode_state_topic",
            "preset_mode_value_template",
            "preset_mode_command_topic",
            "preset_mode_command_template",
            "choice",
            "preset_modes",
        ),
    ),
    "humidifier": (
        Part("", "state_topic", "state_value_template", "command_topic", "", "boolean"),
        Part(
            "/target",
            "target_humidity_state_topic",
            "target_humidity_state_template",
            "target_humidity_command_topic",
            "target_humidity_command_template",
            "number",
        ),
    ),
    "light": (
        Part("", "state_topic", "state_value_template", "command_topic", "", "boolean"),
        Part(
            "/brightness",
            "brightness_state_topic",
            "brightness_value_template",
            "brightness_command_topic",
            "brightness_command_template",
            "number",
        ),
        Part("/rgb", "rgb_state_topic", "rgb_value_template", "rgb_command_topic", "", "text"),
        Part(
            "/color_temp",
            "color_temp_state_topic",
            "color_temp_value_template",
            "color_temp_command_topic",
            "",
            "number",
        ),
    ),
    "climate": (
        Part(
            "/mode",
            "mode_state_topic",
            "mode_state_template",
            "mode_command_topic",
            "mode_command_template",
            "choice",
            "modes",
        ),
        Part(
            "/target",
            "temperature_state_topic",
            "temperature_state_template",
            "temperature_command_topic",
            "temperature_command_template",
            "number",
        ),
        Part(
            "/temperature",
            "current_temperature_topic",
            "current_temperature_template",
            "",
            "",
            "number",
        ),
        Part("/action", "action_topic", "action_template", "", "", "text"),
    ),
}
CONTROL_TYPES = {"boolean", "number", "choice", "text", "button"}
COVER_WORDS = {"open": "payload_open", "close": "payload_close", "stop": "payload_stop"}
LOCK_WORDS = {"lock": "payload_lock", "unlock": "payload_unlock"}


class Channel:
    """One channel of an announced entity: how its state is read and how it is told."""

    __slots__ = ("child", "decode", "description", "entity", "name", "part", "render")

    def __init__(self, name: str, child: str | None, entity: Entity, part: Part) -> None:
        self.name = name
        self.child = child
        self.entity = entity
        self.part = part
        self.render: Render = compiled(_text(entity.config, part.template))
        self.decode: Decode = _decoder(entity, part)
        self.description = _description(entity, part)


class HomeAssistant:
    """Recognises whatever announces itself to Home Assistant, by its first topic."""

    name = "home-assistant"

    def recognise(self, hello: Hello) -> Root | None:
        if hello.first_topic is None or place_of(hello.first_topic) is None:
            return None
        return self.rooted(hello.first_topic.partition("/")[0])

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            publish=(f"{topic}/+/+/config", f"{topic}/+/+/+/config"),
            subscribe=(f"{topic}/status",),
            hub=True,
            shared=True,
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return HomeAssistantDialect(root.topic)


class HomeAssistantDialect:
    """What one connection has announced."""

    def __init__(self, prefix: str = "homeassistant") -> None:
        self._prefix = prefix
        self._self: tuple[str, ...] | None = None  # identifiers of the connection's own device
        self._announced: dict[str, tuple[str | None, list[Channel]]] = {}  # discovery topic -> ...
        self._devices: dict[str | None, Device | None] = {}
        self._by_topic: dict[str, list[Channel]] = {}
        self._presence: dict[str, dict[str | None, tuple[Render, str, str]]] = {}
        self._asked: dict[tuple[str | None, str], str] = {}

    # What it says

    def reader(self, topic: str) -> Read | None:
        if topic.startswith(f"{self._prefix}/") and place_of(topic) is not None:
            return lambda payload: self._read_announcement(topic, payload)
        channels = list(self._by_topic.get(topic, ()))
        for pattern, found in self._by_topic.items():
            if is_pattern(pattern) and covers(pattern, topic):
                channels += found
        presence = list(self._presence.get(topic, {}).items())
        if not channels and not presence:
            return None
        return lambda payload: self._read(channels, presence, payload)

    def _read(
        self,
        channels: list[Channel],
        presence: list[tuple[str | None, tuple[Render, str, str]]],
        payload: bytes,
    ) -> list[Fact]:
        facts: list[Fact] = []
        for child, (render, there, gone) in presence:
            text = render(payload)
            if text in (there, gone):
                facts.append(Status("online" if text == there else "offline", child))
        for channel in channels:
            value = self._value(channel, payload)
            if value is _NOTHING:
                continue
            text = to_json(value)
            facts.append(Value(channel.name, text, None, channel.child))
            name = self._asked.pop((channel.child, channel.name), None) if self._asked else None
            if name is not None:
                facts.append(Reply(name, text, child=channel.child))
        return facts

    def _value(self, channel: Channel, payload: bytes) -> Any:
        if not payload:
            return _NOTHING
        text = channel.render(payload)
        return _NOTHING if text is None or text == "None" else channel.decode(text)

    # What it announces

    def _read_announcement(self, topic: str, payload: bytes) -> Sequence[Fact]:
        said = announcement(topic, payload)
        before = self._withdraw(topic)
        if not said.entities:
            return self._after(before)
        child = self._child(said)
        channels = [
            channel for entity in said.entities for channel in self._channels(entity, child)
        ]
        if sum(len(known) for _, known in self._announced.values()) + len(channels) > MAX_ENTITIES:
            raise Untranslatable(f"more than {MAX_ENTITIES:,} entities of one connection")
        self._announced[topic] = (child, channels)
        self._devices[child] = said.device
        topics = self._listen(said, channels, child)
        facts: list[Fact] = [Claim(tuple(sorted(topics)))] if topics else []
        gone = self._after(before) if before is not None and before[0] != child else []
        return [*facts, *gone, Describe(self._about(child), child)]

    def _child(self, said: Announcement) -> str | None:
        ids = said.device.ids if said.device is not None else ()
        if not ids or said.device is None:
            return None
        if self._self is None and said.device.via is None:
            self._self = ids
        if self._self is not None and set(ids) & set(self._self):
            return None
        child = child_id(ids[0])
        if child not in self._devices and len(self._devices) >= MAX_CHILDREN:
            raise Untranslatable(f"more than {MAX_CHILDREN:,} devices of one connection")
        return child

    def _channels(self, entity: Entity, child: str | None) -> list[Channel]:
        found = []
        for part in _parts(entity):
            if _text(entity.config, part.state) or _text(entity.config, part.command):
                name = f"{fitting(entity.key)}{part.suffix}"
                found.append(Channel(name, child, entity, part))
        return found

    def _listen(self, said: Announcement, channels: list[Channel], child: str | None) -> set[str]:
        """Note what topics are read; return those that have to be the sender's own."""
        topics = set()
        for channel in channels:
            state = _text(channel.entity.config, channel.part.state)
            command = _text(channel.entity.config, channel.part.command)
            for each in filter(None, (state, command)):
                topics.add(check_filter(each))
            if state:
                self._by_topic.setdefault(state, []).append(channel)
        for entity in said.entities:
            for topic, reading in _availability(entity.config).items():
                topics.add(check_filter(topic))
                self._presence.setdefault(topic, {})[child] = reading
        return topics

    def _withdraw(self, topic: str) -> tuple[str | None, list[Channel]] | None:
        before = self._announced.pop(topic, None)
        for channel in before[1] if before is not None else ():
            state = _text(channel.entity.config, channel.part.state)
            if state and channel in self._by_topic.get(state, ()):
                self._by_topic[state].remove(channel)
                if not self._by_topic[state]:
                    del self._by_topic[state]
        return before

    def _after(self, before: tuple[str | None, list[Channel]] | None) -> list[Fact]:
        """Return what follows when an announcement is gone: a device with no entity left is also
        gone.
        """
        if before is None:
            return []
        child = before[0]
        if any(owner == child for owner, _ in self._announced.values()):
            return [Describe(self._about(child), child)]
        self._devices.pop(child, None)
        for readings in self._presence.values():
            readings.pop(child, None)
        return [Describe({}) if child is None else Removed(child)]

    def _about(self, child: str | None) -> dict[str, Any]:
        device = self._devices.get(child)
        about: dict[str, Any] = {"channels": {}, "commands": {}}
        if device is not None:
            texts = {
                "name": device.name,
                "manufacturer": device.manufacturer,
                "model": device.model,
                "version": device.version,
            }
            about |= {key: text for key, text in texts.items() if text is not None}
        for owner, channels in self._announced.values():
            for channel in channels if owner == child else ():
                field, control = channel.description
                if channel.part.state and _text(channel.entity.config, channel.part.state):
                    about["channels"][channel.name] = field
                    control = {**control, "channel": channel.name} if control else {}
                if control and _text(channel.entity.config, channel.part.command):
                    about["commands"][channel.name] = control
        return about

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return [Outgoing(f"{self._prefix}/status", b"online")]

    def write(self, request: Request) -> Sequence[Outgoing]:
        channel = self._told(request)
        config = channel.entity.config
        value = msgspec.json.decode(request.value)
        payload = _payload(channel.entity, channel.part, value)
        template = _text(config, channel.part.command_template)
        text = rendered(template, payload) if template else shown(payload)
        if channel.part.state:
            self._asked[(channel.child, channel.name)] = request.name
            while len(self._asked) > 256:
                del self._asked[next(iter(self._asked))]
        topic = str(_text(config, channel.part.command))
        return [Outgoing(topic, text.encode(), qos=1 if config.get("qos") in (1, 2) else 0)]

    def _told(self, request: Request) -> Channel:
        for child, channels in self._announced.values():
            for channel in channels if child == request.child else ():
                if channel.name == request.name and _text(
                    channel.entity.config, channel.part.command
                ):
                    return channel
        raise Invalid(f"{request.name!r} is nothing that this device has announced as settable")


def _parts(entity: Entity) -> Sequence[Part]:
    parts = PARTS.get(entity.component, ())
    if entity.component == "light" and entity.config.get("schema") == "json":
        both = ("state_topic", "", "command_topic", "")
        return (Part("", *both, "boolean", "json"), Part("/brightness", *both, "number", "json"))
    return parts


def _text(config: dict[str, Any], key: str) -> str | None:
    value = config.get(key) if key else None
    return value if isinstance(value, str) and value else None


def _payloads(entity: Entity) -> tuple[str, str]:
    on, off = entity.config.get("payload_on", "ON"), entity.config.get("payload_off", "OFF")
    return shown(on), shown(off)


def _decoder(entity: Entity, part: Part) -> Decode:
    if part.options == "json":
        return _json_light(part)
    if part.kind == "boolean":
        on, off = _payloads(entity)
        config = entity.config
        on, off = shown(config.get("state_on", on)), shown(config.get("state_off", off))
        return lambda text: True if text == on else False if text == off else _unlike(on, off, text)
    if part.kind == "number":
        return _as_number
    if part.kind == "event":
        return _event_type
    numeric = {"unit_of_measurement", "state_class"} & entity.config.keys()
    if part.kind == "sensor":
        return _as_number if numeric else _as_value
    return lambda text: text


def _unlike(on: str, off: str, text: str) -> Any:
    raise Untranslatable(f"{on!r} or {off!r} is expected, not {text[:40]!r}")


def _as_number(text: str) -> Any:
    text = text.strip()
    if text in ("", "unknown", "unavailable", "nan", "NaN", "null"):
        return _NOTHING
    try:
        number = float(text) if len(text) <= 64 else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Untranslatable(f"not a number: {text[:40]!r}")
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else number


def _as_value(text: str) -> Any:
    """Return a sensor's text, as a number where it is one."""
    try:
        return _as_number(text)
    except Untranslatable:
        return text


def _event_type(text: str) -> Any:
    try:
        said = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError):
        raise Untranslatable("an event is a JSON object with event_type") from None
    kind = said.get("event_type") if isinstance(said, dict) else None
    if not isinstance(kind, str):
        raise Untranslatable("an event without event_type")
    return kind


def _json_light(part: Part) -> Decode:
    def decode(text: str) -> Any:
        try:
            said = msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, RecursionError):
            raise Untranslatable("the state of a light is a JSON object") from None
        if not isinstance(said, dict):
            raise Untranslatable("the state of a light is a JSON object")
        if part.kind == "boolean":
            return {"ON": True, "OFF": False}.get(str(said.get("state")), _NOTHING)
        number = said.get("brightness")
        return number if type(number) in (int, float) else _NOTHING

    return decode


def _description(entity: Entity, part: Part) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a channel and its command are, in the form of `about`."""
    config = entity.config
    given = _text(config, "name")
    name = f"{given} {part.suffix[1:].replace('_', ' ')}" if given and part.suffix else given
    named = {"name": name} if name else {}
    field: dict[str, Any] = dict(named)
    if not part.suffix:
        for key, source in (("unit", "unit_of_measurement"), ("kind", "device_class")):
            if _text(config, source):
                field[key] = config[source]
        if type(config.get("suggested_display_precision")) is int:
            field["digits"] = config["suggested_display_precision"]
    if part.kind == "event":
        field["event"] = True
    return field, {**named, **_control(config, part)}


def _control(config: dict[str, Any], part: Part) -> dict[str, Any]:
    if part.kind in ("cover", "lock"):
        words = COVER_WORDS if part.kind == "cover" else LOCK_WORDS
        return {"type": "choice", "options": list(words)}
    if part.kind not in CONTROL_TYPES:
        return {}
    control: dict[str, Any] = {"type": part.kind}
    if part.kind == "number":
        control |= _bounds(config, part)
        if _text(config, "unit_of_measurement") and not part.suffix:
            control["unit"] = config["unit_of_measurement"]
    options = config.get(part.options) if part.options else None
    if part.kind == "choice" and isinstance(options, list):
        control["options"] = [each for each in options if isinstance(each, str)][:200]
    return control


_RANGES = {"/position": (0, 100), "/percentage": (0, 100), "/brightness": (0, 255)}


def _bounds(config: dict[str, Any], part: Part) -> dict[str, Any]:
    if part.suffix in _RANGES:
        low, high = _RANGES[part.suffix]
        scale = config.get("brightness_scale") if part.suffix == "/brightness" else None
        return {"min": low, "max": scale if type(scale) is int else high}
    keys = ("min", "max", "step")
    if part.suffix == "/target":
        keys = ("min_temp", "max_temp", "temp_step")
    elif part.suffix:
        return {}
    found = {
        name: config[key]
        for name, key in zip(("min", "max", "step"), keys, strict=True)
        if type(config.get(key)) in (int, float)
    }
    if not part.suffix:
        found = {"min": 1, "max": 100, **found}  # Home Assistant's own defaults
    return found


def _payload(entity: Entity, part: Part, value: Any) -> Any:
    """Return what a command's value is on the wire. Raises `Invalid`."""
    config = entity.config
    if part.options == "json":
        said = {"state": "ON" if value else "OFF"}
        if part.kind == "number":
            said = {"state": "ON", "brightness": value}
        return to_json(said)
    if part.kind == "boolean":
        if not isinstance(value, bool):
            raise Invalid("true or false is expected")
        return _payloads(entity)[0 if value else 1]
    if part.kind == "button":
        return config.get("payload_press", config.get("payload_on", "PRESS"))
    if part.kind in ("cover", "lock"):
        words = COVER_WORDS if part.kind == "cover" else LOCK_WORDS
        key = words.get(str(value).lower())
        if key is None:
            raise Invalid(f"one of {', '.join(words)} is expected")
        return config.get(key, str(value).upper())
    if part.kind == "number" and type(value) not in (int, float):
        raise Invalid("a number is expected")
    return value if isinstance(value, str | int | float) else to_json(value)


def _availability(config: dict[str, Any]) -> dict[str, tuple[Render, str, str]]:
    """Return topic -> how it is read, and the texts for there and gone."""
    listed = config.get("availability")
    each: list[dict[str, Any]] = []
    if isinstance(listed, list):
        each = [item for item in listed if isinstance(item, dict)]
    elif isinstance(listed, dict):
        each = [listed]
    if _text(config, "availability_topic"):
        each.append(
            {
                "topic": config["availability_topic"],
                "value_template": config.get("availability_template"),
                "payload_available": config.get("payload_available", "online"),
                "payload_not_available": config.get("payload_not_available", "offline"),
            }
        )
    short = {"t": "topic", "val_tpl": "value_template", "pl_avail": "payload_available"}
    short["pl_not_avail"] = "payload_not_available"
    found = {}
    for item in each[:20]:
        said = {short.get(key, key): value for key, value in item.items()}
        topic, template = said.get("topic"), said.get("value_template")
        if isinstance(topic, str) and topic:
            found[topic] = (
                compiled(template if isinstance(template, str) else None),
                shown(said.get("payload_available", "online")),
                shown(said.get("payload_not_available", "offline")),
            )
    return found
