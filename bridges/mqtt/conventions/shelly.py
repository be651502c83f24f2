"""Shelly of the second generation and later: JSON-RPC over MQTT, exact replies.

Source: shelly-api-docs.shelly.cloud, Gen2 "MQTT" and "RPC Protocol". P
is the topic prefix, the device's id unless somebody has changed it. With its factory settings a
device sends notifications on `P/events/rpc`; `P/status/...` comes only where `status_ntf` is on,
and says the same.
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
from gateway.bridges.mqtt.conventions.leaves import json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = ("Shelly.GetDeviceInfo", "Shelly.GetConfig", "Shelly.GetStatus")
# Of no use as channels: what is said twice, or how rather than what.
WITHOUT = frozenset({"id", "source", "by_minute", "minute_ts", "tF", "errors", "flags"})

# The last part of a channel -> unit and kind (Home Assistant's device class).
UNITS: dict[str, tuple[str, str | None]] = {
    "apower": ("W", "power"),
    "act_power": ("W", "power"),
    "total_act_power": ("W", "power"),
    "aprt_power": ("VA", "apparent_power"),
    "total_aprt_power": ("VA", "apparent_power"),
    "voltage": ("V", "voltage"),
    "current": ("A", "current"),
    "freq": ("Hz", "frequency"),
    "pf": ("", "power_factor"),
    "total": ("Wh", "energy"),
    "total_act": ("Wh", "energy"),
    "total_act_ret": ("Wh", "energy"),
    "total_act_energy": ("Wh", "energy"),
    "total_act_ret_energy": ("Wh", "energy"),
    "tC": ("°C", "temperature"),
    "rh": ("%", "humidity"),
    "lux": ("lx", "illuminance"),
    "rssi": ("dBm", "signal_strength"),
    "brightness": ("%", None),
    "current_pos": ("%", None),
    "uptime": ("s", "duration"),
}
# A component -> its commands: name of the parameter that is set, method, and the control.
CONTROLS: dict[str, list[tuple[str, str, str, dict[str, Any]]]] = {
    "switch": [("output", "Switch.Set", "on", {"type": "boolean"})],
    "light": [
        ("output", "Light.Set", "on", {"type": "boolean"}),
        (
            "brightness",
            "Light.Set",
            "brightness",
            {"type": "number", "min": 0, "max": 100, "unit": "%"},
        ),
    ],
    "rgb": [("output", "RGB.Set", "on", {"type": "boolean"})],
    "rgbw": [("output", "RGBW.Set", "on", {"type": "boolean"})],
    "cct": [("output", "CCT.Set", "on", {"type": "boolean"})],
    "cover": [
        (
            "current_pos",
            "Cover.GoToPosition",
            "pos",
            {"type": "number", "min": 0, "max": 100, "unit": "%"},
        )
    ],
    "boolean": [("value", "Boolean.Set", "value", {"type": "boolean"})],
    "number": [("value", "Number.Set", "value", {"type": "number"})],
    "text": [("value", "Text.Set", "value", {"type": "text"})],
    "enum": [("value", "Enum.Set", "value", {"type": "text"})],
}
BUTTONS = {
    "cover": [("open", "Cover.Open"), ("close", "Cover.Close"), ("stop", "Cover.Stop")],
    "button": [("press", "Button.Trigger")],
}


class Shelly:
    """Recognises a Shelly by its will, `P/online` with `false`."""

    name = "shelly"

    def recognise(self, hello: Hello) -> Root | None:
        topic, _, last = (hello.will_topic or "").rpartition("/")
        if last != "online" or not topic or hello.will_payload != b"false":
            return None
        if topic.startswith("shellies/") and not _asks_rpc(hello.filters, topic):
            return None  # of the first generation, as far as can be told
        return self.rooted(topic)

    def rooted(self, topic: str) -> Root:
        return Root(
            topic,
            publish=(f"{topic}/#",),
            subscribe=(f"{topic}/#", "shellies/command", "shelly/command", "shelly/rpc"),
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return ShellyDialect(device, root)


def _asks_rpc(filters: Sequence[str], topic: str) -> bool:
    return f"{topic}/rpc" in filters


class ShellyDialect:
    """One Shelly at its prefix."""

    def __init__(self, device: str, root: Root) -> None:
        self._prefix = root.topic
        self._answers = f"devices/{device}/replies"  # what answers comes on .../rpc below it
        self._about: dict[str, Any] = {"manufacturer": "Shelly"}
        self._channels: dict[str, Any] = {}
        self._commands: dict[str, Any] = {}
        self._names: dict[str, str] = {}  # component -> the name that a person gave it
        self._asked: dict[str, str] = {}  # id of a call -> the command's name

    # What it says

    def reader(self, topic: str) -> Read | None:
        if topic == f"{self._answers}/rpc":
            return self._read_answer
        if not topic.startswith(f"{self._prefix}/"):
            return None
        what = topic[len(self._prefix) + 1 :]
        if what == "online":
            return self._read_online
        if what == "events/rpc":
            return self._read_notification
        component = what.removeprefix("status/")
        if component != what and component:
            return lambda payload: self._component(component, json_object(payload), None)
        return None

    def _read_online(self, payload: bytes) -> Sequence[Fact]:
        if payload not in (b"true", b"false"):
            raise Untranslatable(f"online is true or false, not {payload[:40]!r}")
        return [Status("online" if payload == b"true" else "offline")]

    def _read_notification(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        params = said.get("params")
        if not isinstance(params, dict):
            raise Untranslatable("a notification without params")
        if said.get("method") == "NotifyEvent":
            return self._events(params)
        return self._status(params, _ms(params.get("ts")))

    def _status(self, params: dict[str, Any], ts: int | None) -> list[Fact]:
        """Read components; what a notification leaves out has not changed."""
        facts: list[Fact] = []
        for component, said in params.items():
            if isinstance(said, dict):
                facts += self._component(component, said, ts)
        return facts

    def _component(self, component: str, said: dict[str, Any], ts: int | None) -> list[Fact]:
        path = component.replace(":", "/")
        facts: list[Fact] = []
        known = len(self._channels)
        for channel, leaf in leaves(said, path, WITHOUT):
            facts.append(Value(channel, to_json(leaf), ts))
            if channel not in self._channels and len(self._channels) < 1000:
                self._channels[channel] = self._field(component, channel)
        if len(self._channels) != known:
            self._control(component, path)
            facts.append(self._described())
        return facts

    def _events(self, params: dict[str, Any]) -> list[Fact]:
        facts: list[Fact] = []
        events = params.get("events")
        for event in events if isinstance(events, list) else ():
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                continue
            path = str(event.get("component", "sys")).replace(":", "/")
            channel = check_channel(f"{path}/event")
            facts.append(Value(channel, to_json(event["event"]), _ms(event.get("ts"))))
            if channel not in self._channels and len(self._channels) < 1000:
                self._channels[channel] = {"event": True}
                facts.append(self._described())
        return facts

    # What it says of itself

    def _field(self, component: str, channel: str) -> dict[str, Any]:
        leaf = channel.rpartition("/")[2]
        unit, kind = UNITS.get(leaf, ("", None))
        if channel.endswith("battery/percent"):
            unit, kind = "%", "battery"
        name = self._names.get(component)
        field = {"unit": unit, "kind": kind, "name": f"{name} {leaf}" if name else None}
        return {key: text for key, text in field.items() if text}

    def _control(self, component: str, path: str) -> None:
        kind = component.partition(":")[0]
        for leaf, _, _, control in CONTROLS.get(kind, ()):
            channel = f"{path}/{leaf}"
            if channel in self._channels:
                name = self._names.get(component)
                named = {"name": name} if name and leaf in ("output", "value") else {}
                self._commands[channel] = {**named, **control, "channel": channel}
        for leaf, _ in BUTTONS.get(kind, ()):
            self._commands[f"{path}/{leaf}"] = {"type": "button"}

    def _described(self) -> Describe:
        return Describe(
            {**self._about, "channels": dict(self._channels), "commands": dict(self._commands)}
        )

    def _info(self, info: dict[str, Any]) -> list[Fact]:
        for key, field in (("name", "name"), ("model", "model"), ("ver", "version")):
            if isinstance(info.get(key), str):
                self._about[field] = info[key]
        return [self._described()]

    def _config(self, config: dict[str, Any]) -> list[Fact]:
        for component, settings in config.items():
            if isinstance(settings, dict) and isinstance(settings.get("name"), str):
                self._names[component] = settings["name"]
        for channel in self._channels:
            component = ":".join(channel.split("/")[:2])
            self._channels[channel] = {**self._channels[channel], **self._field(component, channel)}
            self._control(component, component.replace(":", "/"))
        return [self._described()]

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return [self._call(method, method, {}) for method in ASKED]

    def _call(self, id_: str, method: str, params: Any) -> Outgoing:
        call = {"id": id_, "src": self._answers, "method": method, "params": params}
        return Outgoing(f"{self._prefix}/rpc", to_json(call).encode(), qos=1)

    def write(self, request: Request) -> Sequence[Outgoing]:
        """Write a command: a channel that it has a control for, or a method by its name."""
        value = msgspec.json.decode(request.value)
        method, params = self._method(request.name, value)
        while len(self._asked) >= 64:
            del self._asked[next(iter(self._asked))]
        self._asked[request.id] = request.name
        return [self._call(request.id, method, params)]

    def _method(self, name: str, value: Any) -> tuple[str, Any]:
        if "." in name and "/" not in name:
            if value is not None and not isinstance(value, dict):
                raise Invalid(f"{name} takes an object of parameters, or null")
            return name, value or {}
        path, _, leaf = name.rpartition("/")
        kind, _, number = path.partition("/")
        ids = {"id": int(number)} if number.isdecimal() and len(number) < 10 else {}
        for each, method, parameter, _ in CONTROLS.get(kind, ()):
            if each == leaf:
                return method, {**ids, parameter: value}
        for each, method in BUTTONS.get(kind, ()):
            if each == leaf:
                return method, ids
        raise Invalid(
            f"{name!r} is no command of a Shelly: a method such as Switch.Set, or a channel"
        )

    def _read_answer(self, payload: bytes) -> Sequence[Fact]:
        """Read what answers a call: exactly that of its id."""
        said = json_object(payload)
        id_, result, error = said.get("id"), said.get("result"), said.get("error")
        facts: list[Fact] = []
        if id_ in ASKED and isinstance(result, dict):
            if id_ == "Shelly.GetDeviceInfo":
                return self._info(result)
            return self._config(result) if id_ == "Shelly.GetConfig" else self._status(result, None)
        name = self._asked.pop(id_, None) if isinstance(id_, str) else None
        if name is not None and isinstance(error, dict):
            text = f"{error.get('message', 'failed')} ({error.get('code', '?')})"
            facts.append(Reply(name, id=id_, error=text[:200]))
        elif name is not None:
            facts.append(Reply(name, to_json(result), id=id_))
        return facts


def _ms(seconds: Any) -> int | None:
    """Return a time in ms; a device without a clock says null or a time soon after 1970."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return round(seconds * 1000) if 1_000_000_000 < seconds < 100_000_000_000 else None
