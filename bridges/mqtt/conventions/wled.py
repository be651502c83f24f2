"""WLED: brightness, colour and effect of a strip of lights.

Source: kno.wled.ge, "MQTT", and wled/WLED, mqtt.cpp. P is the device's
topic, `wled/` and six digits of its address unless somebody has changed it. It announces nothing:
what it has is known.
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
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

ABOUT: dict[str, Any] = {
    "manufacturer": "WLED",
    "channels": {
        "brightness": {"name": "Brightness", "min": 0, "max": 255},
        "color": {"name": "Colour"},
        "on": {"name": "Light"},
        "effect": {"name": "Effect"},
        "speed": {"name": "Speed", "min": 0, "max": 255},
        "intensity": {"name": "Intensity", "min": 0, "max": 255},
        "palette": {"name": "Palette"},
        "preset": {"name": "Preset"},
        "button": {"name": "Button", "event": True},
    },
    "commands": {
        "on": {"name": "Light", "type": "boolean", "channel": "on"},
        "brightness": {
            "name": "Brightness",
            "type": "number",
            "min": 0,
            "max": 255,
            "step": 1,
            "channel": "brightness",
        },
        "color": {"name": "Colour", "type": "text", "max": 9, "channel": "color"},
        "effect": {
            "name": "Effect",
            "type": "number",
            "min": 0,
            "max": 255,
            "step": 1,
            "channel": "effect",
        },
        "preset": {"name": "Preset", "type": "number", "min": 1, "max": 250, "channel": "preset"},
    },
}
# A member of the XML on P/v -> the channel.
MEMBERS = {"fx": "effect", "sx": "speed", "ix": "intensity", "fp": "palette", "ps": "preset"}
_MEMBER = re.compile(rb"<([a-z]{2})>(-?[0-9]{1,6})</\1>")
_NAME = re.compile(rb"<ds>([^<]{1,64})</ds>")
_COLOR = re.compile(r"#(?:[0-9A-Fa-f]{2})?[0-9A-Fa-f]{6}")


class Wled:
    """Recognises WLED by its will, `P/status`, and the topics `P/col` and `P/api` it listens to."""

    name = "wled"

    def recognise(self, hello: Hello) -> Root | None:
        topic, _, last = (hello.will_topic or "").rpartition("/")
        if last != "status" or not topic or hello.will_payload != b"offline":
            return None
        listens = f"{topic}/col" in hello.filters or f"{topic}/api" in hello.filters
        known = topic.startswith("wled/") or hello.client_id.startswith("WLED-")
        return self.rooted(topic) if listens or known else None

    def rooted(self, topic: str) -> Root:
        group = ("wled/all", "wled/all/#")
        return Root(topic, publish=(f"{topic}/#",), subscribe=(f"{topic}/#", *group))

    def dialect(self, device: str, root: Root) -> Dialect:
        return WledDialect(root)


class WledDialect:
    """One WLED at its topic."""

    def __init__(self, root: Root) -> None:
        self._topic = root.topic
        self._about = dict(ABOUT)
        self._asked: set[str] = set()

    def reader(self, topic: str) -> Read | None:
        what = topic.removeprefix(f"{self._topic}/")
        if what.startswith("button/"):
            return lambda payload: [Value("button", to_json(_word(payload)))]
        return {
            "g": self._read_brightness,
            "c": self._read_color,
            "v": self._read_state,
            "status": self._read_status,
        }.get(what)

    def _read_status(self, payload: bytes) -> Sequence[Fact]:
        word = _word(payload)
        if word not in ("online", "offline"):
            raise Untranslatable(f"a status is online or offline, not {word[:40]!r}")
        return [Describe(self._about), Status("online" if word == "online" else "offline")]

    def _read_brightness(self, payload: bytes) -> Sequence[Fact]:
        word = _word(payload)
        if not word.isdecimal() or int(word) > 255:
            raise Untranslatable(f"a brightness is 0 to 255, not {word[:40]!r}")
        facts: list[Fact] = [
            Value("brightness", str(int(word))),
            Value("on", "true" if int(word) else "false"),
        ]
        return [*facts, *self._replies({"brightness": int(word), "on": int(word) > 0})]

    def _read_color(self, payload: bytes) -> Sequence[Fact]:
        word = _word(payload)
        if not _COLOR.fullmatch(word):
            raise Untranslatable(f"a colour is #RRGGBB, not {word[:40]!r}")
        return [Value("color", to_json(word)), *self._replies({"color": word})]

    def _read_state(self, payload: bytes) -> Sequence[Fact]:
        """Read the XML on P/v; brightness and colour have topics of their own."""
        said: dict[str, Any] = {
            MEMBERS[key.decode()]: int(number)
            for key, number in _MEMBER.findall(payload[:4096])
            if key.decode() in MEMBERS
        }
        if not said:
            raise Untranslatable("the state of WLED, as XML, is expected here")
        facts: list[Fact] = [Value(channel, str(number)) for channel, number in said.items()]
        name = _NAME.search(payload[:4096])
        if name is not None and self._about.get("name") != (text := _word(name[1])):
            self._about["name"] = text
            facts.append(Describe(self._about))
        return [*facts, *self._replies(said)]

    def _replies(self, said: dict[str, Any]) -> list[Fact]:
        done = self._asked & said.keys()
        self._asked -= done
        return [Reply(name, to_json(said[name])) for name in sorted(done)]

    def greeting(self) -> Sequence[Outgoing]:
        return []  # it sends its state by itself when it connects

    def write(self, request: Request) -> Sequence[Outgoing]:
        value = msgspec.json.decode(request.value)
        sent = self._written(request.name, value)
        if request.name in ABOUT["commands"]:
            self._asked.add(request.name)
        return [sent]

    def _written(self, name: str, value: Any) -> Outgoing:
        if name == "on":
            return Outgoing(self._topic, b"ON" if value else b"OFF")
        if name == "brightness" and type(value) is int:
            return Outgoing(self._topic, str(min(max(value, 0), 255)).encode())
        if name == "color" and isinstance(value, str) and _COLOR.fullmatch(value):
            return Outgoing(f"{self._topic}/col", value.encode())
        if name == "effect" and type(value) is int:
            return self._api({"seg": [{"fx": value}]})
        if name == "preset" and type(value) is int:
            return self._api({"ps": value})
        if name == "api" and isinstance(value, dict):
            return self._api(value)
        raise Invalid(
            f"WLED has no command {name!r} with such a value: on true or false, "
            "brightness 0 to 255, color #RRGGBB, effect, preset, or api with an object"
        )

    def _api(self, state: dict[str, Any]) -> Outgoing:
        return Outgoing(f"{self._topic}/api", to_json(state).encode())


def _word(payload: bytes) -> str:
    return payload[:200].decode("utf-8", "replace").strip()
