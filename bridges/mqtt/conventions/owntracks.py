"""OwnTracks: where a phone is.

Source: owntracks.org/booklet, "JSON". A phone sleeps: that it is not
connected is no fault. A location has the time at which it was measured; old ones come later, many
at once.
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
from gateway.bridges.mqtt.conventions.leaves import json_object
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

# A member of a location -> the channel; the place itself is the channel `location`, one object.
CHANNELS = {"batt": "battery", "vel": "velocity", "p": "pressure", "SSID": "ssid"}
PLACE = ("lat", "lon", "acc", "alt", "vac", "cog", "vel")
ABOUT: dict[str, Any] = {
    "manufacturer": "OwnTracks",
    "channels": {
        "location": {"name": "Location"},
        "battery": {"name": "Battery", "unit": "%", "kind": "battery"},
        "velocity": {"name": "Velocity", "unit": "km/h", "kind": "speed"},
        "pressure": {"name": "Pressure", "unit": "kPa", "kind": "pressure"},
        "ssid": {"name": "Network"},
        "regions": {"name": "Regions"},
        "transition": {"name": "Transition", "event": True},
        "steps": {"name": "Steps"},
    },
    "commands": {"reportLocation": {"name": "Report location", "type": "button"}},
}


class OwnTracks:
    """Recognises OwnTracks by its will or its first topic, `owntracks/USER/DEVICE`."""

    name = "owntracks"

    def recognise(self, hello: Hello) -> Root | None:
        for topic in (hello.will_topic, hello.first_topic):
            levels = (topic or "").split("/")
            if levels[0] == "owntracks" and len(levels) >= 3 and all(levels[1:3]):
                return self.rooted("/".join(levels[:3]))
        return None

    def rooted(self, topic: str) -> Root:
        return Root(topic, publish=(topic, f"{topic}/#"), subscribe=(topic, f"{topic}/#"))

    def dialect(self, device: str, root: Root) -> Dialect:
        return OwnTracksDialect(root)


class OwnTracksDialect:
    """One phone."""

    def __init__(self, root: Root) -> None:
        self._topic = root.topic
        self._described = False
        self._asked = False

    def reader(self, topic: str) -> Read | None:
        if topic == self._topic:
            return self._read
        return {
            f"{self._topic}/event": self._read_event,
            f"{self._topic}/step": self._read_steps,
        }.get(topic)

    def _read(self, payload: bytes) -> Sequence[Fact]:
        if not payload:
            return []
        said = json_object(payload)
        kind = said.get("_type")
        if kind == "lwt":
            return [Status("offline")]
        if kind == "encrypted":
            raise Untranslatable("encrypted: take the key out of the app's settings")
        return self._location(said) if kind == "location" else []

    def _location(self, said: dict[str, Any]) -> list[Fact]:
        ts = _ms(said)
        if not all(_number(said.get(key)) for key in ("lat", "lon")):
            raise Untranslatable("a location without lat and lon")
        place = {key: said[key] for key in PLACE if _number(said.get(key))}
        facts: list[Fact] = [] if self._described else [Describe(ABOUT)]
        self._described = True
        facts += [Status("online"), Value("location", to_json(place), ts)]
        facts += [
            Value(channel, to_json(said[key]), ts)
            for key, channel in CHANNELS.items()
            if isinstance(said.get(key), int | float | str)
        ]
        if isinstance(said.get("inregions"), list):
            names = [name for name in said["inregions"] if isinstance(name, str)]
            facts.append(Value("regions", to_json(names), ts))
        if self._asked and said.get("t") == "r":
            self._asked = False
            facts.append(Reply("reportLocation", to_json(place)))
        return facts

    def _read_event(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        if said.get("_type") != "transition":
            return []
        event = {key: said[key] for key in ("event", "desc") if isinstance(said.get(key), str)}
        return [Value("transition", to_json(event), _ms(said))]

    def _read_steps(self, payload: bytes) -> Sequence[Fact]:
        said = json_object(payload)
        steps = said.get("steps")
        return [Value("steps", str(steps), _ms(said))] if type(steps) is int else []

    def greeting(self) -> Sequence[Outgoing]:
        return []

    def write(self, request: Request) -> Sequence[Outgoing]:
        """Write a command: an action by its name, with further members as an object."""
        value = msgspec.json.decode(request.value)
        if value is not None and not isinstance(value, dict):
            raise Invalid("an OwnTracks action takes an object, or null")
        self._asked = self._asked or request.name == "reportLocation"
        said = {**(value or {}), "_type": "cmd", "action": request.name}
        return [Outgoing(f"{self._topic}/cmd", to_json(said).encode(), qos=1)]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ms(said: dict[str, Any]) -> int | None:
    seconds = said.get("tst")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    return round(seconds * 1000) if 0 < seconds < 100_000_000_000 else None
