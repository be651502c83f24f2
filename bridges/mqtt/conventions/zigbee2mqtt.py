"""Zigbee2MQTT: one connection, many devices below it.

Source: Koenkk/zigbee2mqtt 2.12 and zigbee2mqtt.io, "MQTT topics and messages", "Exposes". B is the
base topic. A child's id is its IEEE address, its name the friendly name, which may hold slashes:
topics are matched with the names that were announced, never split.
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
    Removed,
    Reply,
    Request,
    Root,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.leaves import child_id, json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATE = "/bridge/state"
MAX_CHILDREN = 1000
REMEMBERED = 256  # commands that wait for their answer, of all children
PUBLISHED, SETTABLE = 1, 2  # bits of `access`

# Its names of properties -> Home Assistant's device classes, where they differ or are not plain.
KINDS = {
    "temperature": "temperature",
    "device_temperature": "temperature",
    "local_temperature": "temperature",
    "humidity": "humidity",
    "soil_moisture": "moisture",
    "pressure": "pressure",
    "battery": "battery",
    "illuminance": "illuminance",
    "power": "power",
    "energy": "energy",
    "voltage": "voltage",
    "current": "current",
    "co2": "carbon_dioxide",
    "voc": "volatile_organic_compounds",
    "pm25": "pm25",
    "occupancy": "occupancy",
    "presence": "presence",
    "contact": "door",
    "water_leak": "moisture",
    "smoke": "smoke",
    "gas": "gas",
    "vibration": "vibration",
    "tamper": "tamper",
    "battery_low": "battery",
}
EVENTS = {"action", "click"}  # what happened, not what is


class Zigbee2Mqtt:
    """Recognises Zigbee2MQTT by its will, `B/bridge/state`."""

    name = "zigbee2mqtt"

    def recognise(self, hello: Hello) -> Root | None:
        will = hello.will_topic or ""
        if not will.endswith(STATE) or b"offline" not in hello.will_payload:
            return None
        return self.rooted(will.removesuffix(STATE))

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            # What it tells Home Assistant is carried; we know its devices from itself.
            publish=(f"{topic}/#", "homeassistant/+/+/config", "homeassistant/+/+/+/config"),
            subscribe=(f"{topic}/#", "homeassistant/status"),
            hub=True,
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return Zigbee2MqttDialect(root)


class _Child:
    """A Zigbee device or group, as it was announced."""

    __slots__ = ("about", "id", "name", "texts")

    def __init__(self, id_: str, name: str) -> None:
        self.id = id_
        self.name = name
        self.about: dict[str, Any] = {}
        self.texts: dict[str, tuple[Any, Any]] = {}  # property -> what is true and what is false


class Zigbee2MqttDialect:
    """One Zigbee2MQTT below its base topic."""

    def __init__(self, root: Root) -> None:
        self._base = root.topic
        self._children: dict[str, _Child] = {}  # by friendly name
        self._devices: dict[str, str] = {}  # id -> friendly name, of devices
        self._groups: dict[str, str] = {}
        self._asked: dict[tuple[str, str], str] = {}  # (child, property) -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        if not topic.startswith(f"{self._base}/"):
            return None
        what = topic[len(self._base) + 1 :]
        if what.startswith("bridge/"):
            return {
                "bridge/state": self._read_state,
                "bridge/devices": self._read_devices,
                "bridge/groups": self._read_groups,
                "bridge/info": self._read_info,
                "bridge/logging": self._read_logging,
            }.get(what)
        return self._of_child(what)

    def _of_child(self, what: str) -> Read | None:
        """Return what reads a topic of a child: the longest name that was announced counts."""
        if what in self._children:
            return _Reader(self, self._children[what])
        name, _, last = what.rpartition("/")
        child = self._children.get(name)
        if child is None or last in {"set", "get"}:
            return None
        if last == "availability":
            return lambda payload: [Status(_state(payload), child.id)]
        return lambda payload: self._attribute(child, last, payload)  # `output: attribute`

    def values(self, child: _Child, said: dict[str, Any]) -> list[Fact]:
        """Return the values of a child's state, and the replies that they are."""
        facts: list[Fact] = []
        for key, member in said.items():
            if member is None or (key in EVENTS and member == ""):
                continue
            if isinstance(member, dict | list):
                facts += [
                    Value(channel, to_json(leaf), None, child.id)
                    for channel, leaf in leaves(member, key)
                ]
            else:
                facts.append(Value(key, self._as_json(child, key, member), None, child.id))
            name = self._asked.pop((child.id, key), None) if self._asked else None
            if name is not None:
                value = (
                    member if isinstance(member, dict | list) else self._truth(child, key, member)
                )
                facts.append(Reply(name, to_json(value), child=child.id))
        return facts

    def _attribute(self, child: _Child, key: str, payload: bytes) -> list[Fact]:
        if not payload:
            return []
        try:
            member = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            member = payload.decode("utf-8", "replace")
        return self.values(child, {key: member})

    def _as_json(self, child: _Child, key: str, member: Any) -> str:
        return to_json(self._truth(child, key, member))

    def _truth(self, child: _Child, key: str, member: Any) -> Any:
        """Return true or false for a property that is announced as binary."""
        texts = child.texts.get(key)
        if texts is None:
            return member
        return True if member == texts[0] else False if member == texts[1] else member

    def _read_state(self, payload: bytes) -> Sequence[Fact]:
        return [Status(_state(payload))]

    def _read_info(self, payload: bytes) -> Sequence[Fact]:
        version = json_object(payload).get("version")
        about = {"manufacturer": "Zigbee2MQTT", "model": "Bridge"}
        return [Describe({**about, "version": version} if isinstance(version, str) else about)]

    def _read_logging(self, payload: bytes) -> Sequence[Fact]:
        """Read a failed `set`: its text is all that tells which."""
        said = json_object(payload)
        text = said.get("message")
        if said.get("level") != "error" or not isinstance(text, str):
            return []
        for (child, key), name in self._asked.items():
            friendly = self._devices.get(child) or self._groups.get(child) or child
            if f"'{friendly}'" in text and f"'{key}'" in text:
                del self._asked[(child, key)]
                return [Reply(name, error=text[:200], child=child)]
        return []

    # What it says of its children

    def _read_devices(self, payload: bytes) -> Sequence[Fact]:
        announced = []
        for item in _list(payload):
            if item.get("type") == "Coordinator" or item.get("disabled") is True:
                continue
            address, name = item.get("ieee_address"), item.get("friendly_name")
            if isinstance(address, str) and isinstance(name, str) and name:
                child = _Child(child_id(address), name)
                child.about = _about(child, item)
                announced.append(child)
        return self._take(announced, self._devices)

    def _read_groups(self, payload: bytes) -> Sequence[Fact]:
        announced = []
        for item in _list(payload):
            number, name = item.get("id"), item.get("friendly_name")
            if isinstance(number, int) and isinstance(name, str) and name:
                child = _Child(child_id("group", self._base, number), name)
                child.texts["state"] = ("ON", "OFF")
                child.about = {
                    "name": name,
                    "model": "Zigbee group",
                    "commands": {"state": {"type": "boolean", "channel": "state"}},
                }
                announced.append(child)
        return self._take(announced, self._groups)

    def _take(self, announced: list[_Child], known: dict[str, str]) -> list[Fact]:
        """Take a whole list: what is not in it any more is gone."""
        announced = announced[:MAX_CHILDREN]
        now = {child.id: child for child in announced}
        facts: list[Fact] = [Removed(id_) for id_ in known if id_ not in now]
        before = {name: self._children.pop(name, None) for name in known.values()}
        for child in announced:
            self._children[child.name] = child
            old = before.get(child.name)
            if old is None or old.id != child.id or old.about != child.about:
                facts.append(Describe(child.about, child.id))
        known.clear()
        known.update({child.id: child.name for child in announced})
        return facts

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return []  # it has announced everything, retained, before it subscribes

    def write(self, request: Request) -> Sequence[Outgoing]:
        value = msgspec.json.decode(request.value)
        if request.child is None:
            topic = f"{self._base}/bridge/request/{request.name}"
            return [Outgoing(topic, request.value.encode())]
        name = self._devices.get(request.child) or self._groups.get(request.child)
        if name is None:
            raise Invalid(f"{request.child} has not been announced by Zigbee2MQTT yet")
        said = (
            value
            if request.name == "set" and isinstance(value, dict)
            else {request.name: self._written(self._children[name], request.name, value)}
        )
        for key in said:
            self._asked[(request.child, key)] = request.name
        while len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return [Outgoing(f"{self._base}/{name}/set", to_json(said).encode())]

    def _written(self, child: _Child, key: str, value: Any) -> Any:
        texts = child.texts.get(key)
        return texts[0 if value else 1] if texts is not None and isinstance(value, bool) else value


class _Reader:
    """Reads the states of one child; an object rather than a closure, one for each topic."""

    __slots__ = ("_child", "_dialect")

    def __init__(self, dialect: Zigbee2MqttDialect, child: _Child) -> None:
        self._dialect = dialect
        self._child = child

    def __call__(self, payload: bytes) -> list[Fact]:
        if not payload:
            return []  # a renamed or removed device's retained state is cleared
        return self._dialect.values(self._child, json_object(payload))


def _state(payload: bytes) -> Any:
    """Return a state: `{"state": "online"}`, or before 2.0 `online`."""
    text: Any = payload.strip().decode("utf-8", "replace")
    if text.startswith("{"):
        text = json_object(payload).get("state")
    if text not in ("online", "offline"):
        raise Untranslatable(f"a state is online or offline, not {str(text)[:40]!r}")
    return text


def _list(payload: bytes) -> list[dict[str, Any]]:
    try:
        value = msgspec.json.decode(payload or b"[]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untranslatable(f"not JSON: {str(error)[:200]}") from None
    if not isinstance(value, list):
        raise Untranslatable("a list of devices is expected here")
    return [item for item in value if isinstance(item, dict)]


def _about(child: _Child, item: dict[str, Any]) -> dict[str, Any]:
    definition = item.get("definition")
    definition = definition if isinstance(definition, dict) else {}
    texts = {
        "name": child.name,
        "manufacturer": definition.get("vendor") or item.get("manufacturer"),
        "model": definition.get("model") or item.get("model_id"),
        "version": item.get("software_build_id"),
    }
    about: dict[str, Any] = {key: text for key, text in texts.items() if isinstance(text, str)}
    channels: dict[str, Any] = {}
    commands: dict[str, Any] = {}
    for exposed in _features(definition.get("exposes"), 4):
        _describe(child, exposed, channels, commands)
    return {**about, "channels": channels, "commands": commands}


def _features(exposes: Any, levels: int) -> Iterator[dict[str, Any]]:
    """Yield what a device exposes; lights, switches and the like wrap their features.

    `composite` has features too, but one property for all of them.
    """
    for exposed in exposes if isinstance(exposes, list) and levels else ():
        if not isinstance(exposed, dict):
            continue
        if isinstance(exposed.get("features"), list) and "property" not in exposed:
            yield from _features(exposed["features"], levels - 1)
        elif isinstance(exposed.get("property"), str) and exposed["property"]:
            yield exposed


def _describe(
    child: _Child,
    exposed: dict[str, Any],
    channels: dict[str, Any],
    commands: dict[str, Any],
) -> None:
    key, access = exposed["property"], exposed.get("access")
    access = access if isinstance(access, int) else 0
    name = exposed.get("label") or exposed.get("name")
    field: dict[str, Any] = {"name": name} if isinstance(name, str) else {}
    if isinstance(exposed.get("unit"), str):
        field["unit"] = exposed["unit"]
    if exposed.get("type") == "binary":
        child.texts[key] = (exposed.get("value_on"), exposed.get("value_off"))
    if access & PUBLISHED:
        kind = KINDS.get(str(exposed.get("name")))
        event = {"event": True} if key in EVENTS else {}
        channels[key] = {**field, **({"kind": kind} if kind else {}), **event, **_bounds(exposed)}
    if access & SETTABLE:
        control = _control(exposed)
        if control:
            shows = {"channel": key} if access & PUBLISHED else {}
            commands[key] = {**field, **control, **shows}


def _bounds(exposed: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, name in (("value_min", "min"), ("value_max", "max")):
        number = exposed.get(key)
        if isinstance(number, int | float) and not isinstance(number, bool):
            found[name] = number
    return found


def _control(exposed: dict[str, Any]) -> dict[str, Any]:
    kind, values = exposed.get("type"), exposed.get("values")
    if kind == "binary":
        return {"type": "boolean"}
    if kind == "numeric":
        step = exposed.get("value_step")
        fine = isinstance(step, int | float) and not isinstance(step, bool) and step > 0
        return {"type": "number", **_bounds(exposed), **({"step": step} if fine else {})}
    if kind == "enum" and isinstance(values, list):
        return {"type": "choice", "options": [v for v in values if isinstance(v, str | int)]}
    return {"type": "text"} if kind == "text" else {}
