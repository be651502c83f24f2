"""Homie 3, 4 and 5: devices that describe themselves, topic by topic or in one document.

Source: homieiot.github.io, specifications 3.0.1, 4.0.0 and 5.0. In 3 and
4 the description comes in many retained messages while `$state` is `init`; it is told when it is
`ready`. In 5 it is one document, and a device may have children.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

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
from gateway.bridges.mqtt.conventions.leaves import child_id, json_object
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES: dict[bytes, Any] = {
    **dict.fromkeys((b"init", b"ready", b"alert"), "online"),
    **dict.fromkeys((b"disconnected", b"lost"), "offline"),
    b"sleeping": "sleeping",
}
_ID = re.compile(r"[a-z0-9-]{1,64}").fullmatch
MAX_ATTRIBUTES = 10_000  # of one tree
CONTROLS = {
    "boolean": "boolean",
    "integer": "number",
    "float": "number",
    "enum": "choice",
    **dict.fromkeys(("string", "color", "datetime", "duration", "json"), "text"),
}


class Homie:
    """Recognises Homie by its will on `homie/D/$state` or `homie/5/D/$state`."""

    name = "homie"

    def recognise(self, hello: Hello) -> Root | None:
        topic = hello.will_topic or ""
        if not topic.endswith("/$state") or topic.count("/") < 2:
            return None
        return self.rooted(topic.removesuffix("/$state"))

    def rooted(self, topic: str) -> Root:
        base = topic.rpartition("/")[0]
        five = base.endswith("/5")
        # Children of Homie 5 lie beside their root: it claims their topics when it describes
        # itself.
        return Root(
            topic,
            publish=(f"{topic}/#",),
            subscribe=(f"{topic}/#", f"{base}/$broadcast/#"),
            hub=five,
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        base, _, name = root.topic.rpartition("/")
        return HomieFive(base, name) if base.endswith("/5") else HomieFour(root.topic)


class HomieFour:
    """A device of Homie 3 or 4: one topic an attribute."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._attributes: dict[str, str] = {}  # path below the device -> text
        self._asked: dict[str, str] = {}

    def reader(self, topic: str) -> Read | None:
        what = topic.removeprefix(f"{self._topic}/")
        if what == topic or what.endswith("/set"):
            return None
        if what == "$state":
            return self._read_state
        if any(level.startswith("$") for level in what.split("/")):
            return lambda payload: self._read_attribute(what, payload)
        return (lambda payload: self._read_value(what, payload)) if what.count("/") == 1 else None

    def _read_state(self, payload: bytes) -> Sequence[Fact]:
        status = Status(_state(payload))
        return [Describe(self._about()), status] if payload == b"ready" else [status]

    def _read_attribute(self, path: str, payload: bytes) -> Sequence[Fact]:
        if path.startswith("$stats/") and path != "$stats/interval":
            return [] if not payload else [_value(path[1:], {"datatype": "float"}, payload, None)]
        if not payload:
            self._attributes.pop(path, None)
        elif len(self._attributes) < MAX_ATTRIBUTES or path in self._attributes:
            self._attributes[path] = payload[:1024].decode("utf-8", "replace")
        return []

    def _property(self, path: str) -> dict[str, Any]:
        names = ("datatype", "unit", "format", "settable", "name", "retained")
        found = {name: self._attributes.get(f"{path}/${name}") for name in names}
        return {
            **{name: text for name, text in found.items() if text is not None},
            "settable": found["settable"] == "true",
        }

    def _read_value(self, path: str, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return []
        fact = _value(path, self._property(path), payload, None)
        name = self._asked.pop(path, None)
        return [fact] if name is None else [fact, Reply(name, fact.value)]

    def _about(self) -> dict[str, Any]:
        paths = {
            path.rpartition("/$")[0] for path in self._attributes if path.endswith("/$datatype")
        }
        about = _described({path: self._property(path) for path in sorted(paths)})
        for key, field in (
            ("$name", "name"),
            ("$implementation", "model"),
            ("$fw/version", "version"),
        ):
            if key in self._attributes:
                about[field] = self._attributes[key]
        return about

    def greeting(self) -> Sequence[Outgoing]:
        return []

    def write(self, request: Request) -> Sequence[Outgoing]:
        text = _written(self._property(request.name), request)
        self._asked[request.name] = request.name
        return [Outgoing(f"{self._topic}/{request.name}/set", text.encode(), qos=1)]


class HomieFive:
    """A root device of Homie 5 and its children: one document each."""

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._name = name
        self._documents: dict[str, dict[str, dict[str, Any]]] = {name: {}}  # device -> properties
        self._children: set[str] = set()
        self._asked: dict[tuple[str, str], str] = {}

    def reader(self, topic: str) -> Read | None:
        what = topic.removeprefix(f"{self._base}/")
        device, _, path = what.partition("/")
        if what == topic or (device != self._name and device not in self._children):
            return None
        if path == "$state":
            return lambda payload: self._read_state(device, payload)
        if path == "$description":
            return lambda payload: self._read_description(device, payload)
        if path.endswith("/$target"):
            return lambda payload: self._reply(device, path.removesuffix("/$target"), payload)
        if path.count("/") == 1 and not path.endswith("/set"):
            return lambda payload: self._read_value(device, path, payload)
        return None

    def _child(self, device: str) -> str | None:
        return None if device == self._name else child_id(device)

    def _read_state(self, device: str, payload: bytes) -> Sequence[Fact]:
        child = self._child(device)
        if not payload and child is not None:
            self._children.discard(device)
            self._documents.pop(device, None)
            return [Removed(child)]
        facts: list[Fact] = [Status(_state(payload), child)]
        if payload == b"lost" and child is None:  # one will for the whole tree
            facts += [Status("offline", self._child(each)) for each in sorted(self._children)]
        return facts

    def _read_description(self, device: str, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return []
        said = json_object(payload)
        properties: dict[str, dict[str, Any]] = {}
        for node, described in _members(said.get("nodes")):
            for name, fields in _members(described.get("properties")):
                properties[f"{node}/{name}"] = fields
        self._documents[device] = properties
        facts: list[Fact] = []
        children = said.get("children")
        if device == self._name and isinstance(children, list):
            now = {each for each in children[:1000] if isinstance(each, str) and _ID(each)}
            facts += [Removed(child_id(gone)) for gone in sorted(self._children - now)]
            if new := sorted(now - self._children):
                facts.append(Claim(tuple(f"{self._base}/{each}/#" for each in new)))
            self._children = now
        about = _described(properties)
        if isinstance(said.get("name"), str):
            about["name"] = said["name"]
        if isinstance(said.get("type"), str):
            about["model"] = said["type"]
        return [*facts, Describe(about, self._child(device))]

    def _read_value(self, device: str, path: str, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return []
        child = self._child(device)
        fields = self._documents.get(device, {}).get(path, {})
        text = b"" if payload == b"\0" else payload
        return [_value(path, fields, text, child), *self._reply(device, path, payload)]

    def _reply(self, device: str, path: str, payload: bytes) -> list[Fact]:
        """A command is accepted when `$target` or the property shows its value."""
        name = self._asked.pop((device, path), None)
        if name is None:
            return []
        fields = self._documents.get(device, {}).get(path, {})
        child = self._child(device)
        return [Reply(name, _value(path, fields, payload, child).value, child=child)]

    def greeting(self) -> Sequence[Outgoing]:
        return []

    def write(self, request: Request) -> Sequence[Outgoing]:
        devices = [d for d in (self._name, *self._children) if self._child(d) == request.child]
        if not devices:
            raise Invalid(f"{request.child} has not been announced yet")
        fields = self._documents.get(devices[0], {}).get(request.name, {})
        text = _written(fields, request)
        self._asked[(devices[0], request.name)] = request.name
        topic = f"{self._base}/{devices[0]}/{request.name}/set"
        return [Outgoing(topic, text.encode() or b"\0", qos=2)]


def _members(value: Any) -> list[tuple[str, dict[str, Any]]]:
    items = value.items() if isinstance(value, dict) else ()
    return [(key, member) for key, member in items if isinstance(member, dict)]


def _state(payload: bytes) -> Any:
    status = STATES.get(payload)
    if status is None:
        raise Untranslatable(f"a state is {b', '.join(STATES).decode()}, not {payload[:40]!r}")
    return status


def _value(channel: str, fields: dict[str, Any], payload: bytes, child: str | None) -> Value:
    """Return a property's text as its datatype says. Raises `Untranslatable`."""
    text = payload[:65_536].decode("utf-8", "replace")
    kind = fields.get("datatype", "string")
    if kind == "boolean" and text in ("true", "false"):
        return Value(channel, text, None, child)
    if kind in ("integer", "float", "percent"):
        return Value(channel, to_json(_number(text, whole=kind == "integer")), None, child)
    if kind == "boolean":
        raise Untranslatable(f"true or false is expected, not {text[:40]!r}")
    return Value(channel, to_json(text), None, child)


def _number(text: str, *, whole: bool) -> float:
    try:
        number = int(text) if whole and len(text) <= 19 else float(text[:64])
    except ValueError:
        raise Untranslatable(f"not a number: {text[:40]!r}") from None
    if not math.isfinite(number):
        raise Untranslatable(f"not a number that JSON can hold: {text[:40]!r}")
    return number


def _described(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    channels: dict[str, Any] = {}
    commands: dict[str, Any] = {}
    for path, fields in properties.items():
        named = {key: fields[key] for key in ("name", "unit") if isinstance(fields.get(key), str)}
        bounds = _bounds(fields)
        event = {"event": True} if fields.get("retained") in (False, "false") else {}
        channels[path] = {**named, **{k: v for k, v in bounds.items() if k != "options"}, **event}
        control = CONTROLS.get(str(fields.get("datatype", "string")))
        if fields.get("settable") is True and control is not None:
            commands[path] = {**named, "type": control, **bounds, "channel": path}
    return {"channels": channels, "commands": commands}


def _bounds(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what `format` says: a range, or the values of an enum."""
    form = fields.get("format")
    if not isinstance(form, str):
        return {}
    if fields.get("datatype") == "enum":
        return {"options": form.split(",")[:200]}
    if fields.get("datatype") not in ("integer", "float"):
        return {}
    found = {}
    for key, text in zip(("min", "max", "step"), form.split(":"), strict=False):
        try:
            number = float(text[:32])
        except ValueError:
            continue
        if math.isfinite(number):
            found[key] = int(number) if number.is_integer() else number
    return {key: value for key, value in found.items() if key != "step" or value > 0}


def _written(fields: dict[str, Any], request: Request) -> str:
    if fields.get("settable") is not True:
        raise Invalid(f"{request.name!r} cannot be set; what can be set is node/property")
    value = msgspec.json.decode(request.value)
    return value if isinstance(value, str) else request.value
