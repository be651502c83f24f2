"""rtl_433: what a radio hears of weather stations, meters and remote controls.

Source: merbanan/rtl_433, output_mqtt.c. Each event is one child,
`model-channel-id`. The same fields come a second time on `devices/...`: only `events` is read.
Times in it have no zone and are not used. It cannot be told anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.bridges.mqtt.conventions.convention import (
    Describe,
    Dialect,
    Fact,
    Hello,
    Outgoing,
    Read,
    Request,
    Root,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.leaves import child_id, json_object, leaves
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHILDREN = 1000
WITHOUT = frozenset({"time", "model", "id", "channel", "mic", "mod", "protocol", "subtype"})

# The end of a field's name -> unit and kind (Home Assistant's device class).
SUFFIXES: dict[str, tuple[str, str]] = {
    "_C": ("°C", "temperature"),
    "_F": ("°F", "temperature"),
    "_hPa": ("hPa", "pressure"),
    "_kPa": ("kPa", "pressure"),
    "_psi": ("psi", "pressure"),
    "_PSI": ("psi", "pressure"),
    "_mm": ("mm", ""),
    "_mm_h": ("mm/h", "precipitation_intensity"),
    "_in": ("in", ""),
    "_in_h": ("in/h", "precipitation_intensity"),
    "_km_h": ("km/h", "wind_speed"),
    "_m_s": ("m/s", "wind_speed"),
    "_mi_h": ("mph", "wind_speed"),
    "_deg": ("°", ""),
    "_V": ("V", "voltage"),
    "_mV": ("mV", "voltage"),
    "_A": ("A", "current"),
    "_W": ("W", "power"),
    "_kW": ("kW", "power"),
    "_kWh": ("kWh", "energy"),
    "_VA": ("VA", "apparent_power"),
    "_cm": ("cm", "distance"),
    "_km": ("km", "distance"),
    "_kg": ("kg", "weight"),
    "_lux": ("lx", "illuminance"),
    "_klx": ("klx", ""),
    "_Hz": ("Hz", "frequency"),
    "_MHz": ("MHz", "frequency"),
    "_dB": ("dB", ""),
    "_ppm": ("ppm", ""),
    "_ug_m3": ("µg/m³", ""),
}
NAMES: dict[str, tuple[str, str]] = {
    "humidity": ("%", "humidity"),
    "moisture": ("%", "moisture"),
    "battery_ok": ("", ""),
    "rssi": ("dB", ""),
    "snr": ("dB", ""),
    "noise": ("dB", ""),
    "freq": ("MHz", "frequency"),
    "depth": ("cm", "distance"),
}


class Rtl433:
    """Recognises rtl_433 by its will, or where it has none by its client id or first topic."""

    name = "rtl_433"

    def recognise(self, hello: Hello) -> Root | None:
        will = (hello.will_topic or "").split("/")
        if will[0] == "rtl_433" and will[-1] == "availability" and len(will) == 3:
            return self.rooted("/".join(will[:2]))
        first = (hello.first_topic or "").split("/")
        if (
            first[0] == "rtl_433"
            and len(first) >= 3
            and first[2] in ("events", "devices", "states")
        ):
            return self.rooted("/".join(first[:2]))
        return None

    def rooted(self, topic: str) -> Root:
        return Root(topic, publish=(f"{topic}/#",), subscribe=(f"{topic}/#",), hub=True)

    def dialect(self, device: str, root: Root) -> Dialect:
        return Rtl433Dialect(root)


class Rtl433Dialect:
    """One rtl_433 below its host's topic."""

    def __init__(self, root: Root) -> None:
        self._topic = root.topic
        self._children: dict[str, dict[str, Any]] = {}  # id -> channels

    def reader(self, topic: str) -> Read | None:
        what = topic.removeprefix(f"{self._topic}/")
        return {"events": self._read_event, "availability": self._read_status}.get(what)

    def _read_status(self, payload: bytes) -> Sequence[Fact]:
        if payload not in (b"online", b"offline"):
            raise Untranslatable(f"it is online or offline, not {payload[:40]!r}")
        return [Status("online" if payload == b"online" else "offline")]

    def _read_event(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        model = said.get("model")
        if not isinstance(model, str) or not model:
            raise Untranslatable("an event without a model")
        child = child_id(model, said.get("channel"), said.get("id"))
        values = list(leaves(said, without=WITHOUT))
        facts: list[Fact] = [Value(path, to_json(leaf), None, child) for path, leaf in values]
        known = self._children.get(child)
        new = {path: _field(path) for path, _ in values if path not in (known or {})}
        if (new or known is None) and (known is not None or len(self._children) < MAX_CHILDREN):
            channels = self._children[child] = {**(known or {}), **new}
            facts.insert(0, Describe({"name": child, "model": model, "channels": channels}, child))
        return facts

    def greeting(self) -> Sequence[Outgoing]:
        return []

    def write(self, request: Request) -> Sequence[Outgoing]:
        raise Invalid("rtl_433 only listens: it takes no commands")


def _field(path: str) -> dict[str, str]:
    unit, kind = NAMES.get(path, ("", ""))
    if not unit:
        ends = [end for end in SUFFIXES if path.endswith(end)]
        unit, kind = SUFFIXES[max(ends, key=len)] if ends else ("", kind)
    return {key: text for key, text in (("unit", unit), ("kind", kind)) if text}
