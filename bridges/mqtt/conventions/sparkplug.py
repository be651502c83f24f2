"""Sparkplug B 3.0: edge nodes and their devices, with birth, death, alias and sequence.

Source: Eclipse Sparkplug specification 3.0.0. The node is the hub,
its devices are children; metrics are channels. After a birth metrics may come by alias alone: an
alias that was never born, or a gap in the sequence, makes us ask for a rebirth.
"""

from __future__ import annotations

import base64
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
from gateway.bridges.mqtt.conventions.leaves import child_id, fitting
from gateway.bridges.mqtt.conventions.sparkplug_payload import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    SIGNED,
    TEXTS,
    UNSIGNED,
    Metric,
    Payload,
    decoded,
    encoded,
)
from gateway.errors import Invalid, Untranslatable
from gateway.frames import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
SEQUENCE = "bdSeq"
MAX_METRICS = 10_000  # of a node and its devices together


class Sparkplug:
    """Recognises an edge node by its will, `spBv1.0/G/NDEATH/N`."""

    name = "sparkplug"

    def recognise(self, hello: Hello) -> Root | None:
        levels = (hello.will_topic or "").split("/")
        if len(levels) != 4 or levels[0] != SPACE or levels[2] != "NDEATH" or not all(levels):
            return None
        return self.rooted(f"{SPACE}/{levels[1]}/{levels[3]}")

    def rooted(self, topic: str) -> Root:
        space, _, rest = topic.partition("/")
        group, _, node = rest.partition("/")
        own = f"{space}/{group}"
        return Root(
            topic,
            publish=(f"{own}/+/{node}", f"{own}/+/{node}/+"),
            subscribe=(
                f"{own}/NCMD/{node}",
                f"{own}/NCMD/{node}/#",
                f"{own}/DCMD/{node}/+",
                f"{own}/DCMD/{node}/#",
                f"{space}/STATE/#",
                "STATE/#",
            ),
            hub=True,
        )

    def dialect(self, device: str, root: Root) -> Dialect:
        return SparkplugDialect(root)


class _Born:
    """What a node or a device has told in its birth. `aliases`: number -> channel."""

    __slots__ = ("aliases", "channels", "metrics")

    def __init__(self) -> None:
        self.aliases: dict[int, str] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, Metric] = {}  # channel -> as it was born


class SparkplugDialect:
    """One edge node and its devices."""

    def __init__(self, root: Root) -> None:
        _, self._group, self._node = root.topic.split("/", 2)
        self._born: dict[str | None, _Born] = {}  # None: the node
        self._names: dict[str, str] = {}  # child -> its name in topics
        self._sequence: int | None = None
        self._birth: Any = None  # bdSeq of the birth that counts
        self._asked: dict[tuple[str | None, str], str] = {}
        self._rebirth = False  # requested, and not come yet

    # What it says

    def reader(self, topic: str) -> Read | None:
        levels = topic.split("/")
        if levels[:2] != [SPACE, self._group] or levels[3:4] != [self._node] or len(levels) > 5:
            return None
        kind, device = levels[2], levels[4] if len(levels) == 5 else None
        child = None if device is None else child_id(self._node, device)
        if kind in ("NBIRTH", "DBIRTH") and (kind[0] == "N") == (device is None):
            return lambda payload: self._read_birth(device, child, payload)
        if kind in ("NDATA", "DDATA"):
            return lambda payload: self._read_data(child, payload)
        if kind == "NDEATH":
            return self._read_death
        return (lambda payload: self._read_end(child, payload)) if kind == "DDEATH" else None

    def _read_birth(self, device: str | None, child: str | None, payload: bytes) -> Sequence[Fact]:
        said = decoded(payload)
        if child is None:
            self._sequence, self._rebirth = None, False
            self._birth = next((m.value for m in said.metrics if m.name == SEQUENCE), None)
            self._born.clear()
        elif device is not None:
            self._names[child] = device
        born = self._born[child] = _Born()
        if sum(len(each.metrics) for each in self._born.values()) + len(said.metrics) > MAX_METRICS:
            raise Untranslatable(f"Sparkplug: more than {MAX_METRICS:,} metrics of one node")
        facts: list[Fact] = [Status("online", child)]
        for metric in said.metrics:
            if metric.name is not None and metric.name != SEQUENCE:
                channel = fitting(metric.name)
                born.metrics[channel] = metric
                born.channels[channel] = {"unit": metric.unit} if metric.unit else {}
                if metric.alias is not None:
                    born.aliases[metric.alias] = channel
        facts.append(Describe(self._about(device or self._node, born), child))
        return [*facts, *self._values(said, child, born), *self._in_order(said)]

    def _read_data(self, child: str | None, payload: bytes) -> Sequence[Fact]:
        said = decoded(payload)
        born = self._born.get(child)
        if born is None:
            return self._ask_for_birth()
        return [*self._values(said, child, born), *self._in_order(said)]

    def _values(self, said: Payload, child: str | None, born: _Born) -> list[Fact]:
        facts: list[Fact] = []
        for metric in said.metrics:
            channel = self._channel(metric, born)
            if channel is None:
                facts += self._ask_for_birth()
                continue
            if metric.name == SEQUENCE or channel == REBIRTH or metric.value is None:
                continue
            text = to_json(_plain(metric.value))
            ts = metric.timestamp or said.timestamp
            facts.append(Value(channel, text, ts, child))
            name = self._asked.pop((child, channel), None)
            if name is not None:
                facts.append(Reply(name, text, child=child))
        return facts

    def _channel(self, metric: Metric, born: _Born) -> str | None:
        if metric.name is not None:
            return fitting(metric.name)
        return born.aliases.get(metric.alias) if metric.alias is not None else None

    def _in_order(self, said: Payload) -> list[Fact]:
        """Look at the sequence: 0 to 255, round; a gap means that something was lost."""
        expected = None if self._sequence is None else (self._sequence + 1) % 256
        self._sequence = said.seq
        lost = expected is not None and said.seq is not None and said.seq != expected
        return self._ask_for_birth() if lost else []

    def _ask_for_birth(self) -> list[Fact]:
        if self._rebirth:
            return []
        self._rebirth = True
        metric = Metric(REBIRTH, None, None, BOOLEAN, True)
        return [self._outgoing("NCMD", self._node, metric)]

    def _read_death(self, payload: bytes) -> Sequence[Fact]:
        """Read a node's death: it counts only with the bdSeq of the birth that it ends."""
        said = decoded(payload)
        number = next((m.value for m in said.metrics if m.name == SEQUENCE), None)
        if self._birth is not None and number != self._birth:
            return []
        children = [child for child in self._born if child is not None]
        return [Status("offline"), *(Status("offline", child) for child in children)]

    def _read_end(self, child: str | None, _payload: bytes) -> Sequence[Fact]:
        return [Status("offline", child)]

    def _about(self, name: str, born: _Born) -> dict[str, Any]:
        commands: dict[str, Any] = {}
        for channel, metric in born.metrics.items():
            control = _control(metric.datatype)
            if channel == REBIRTH:
                commands[channel] = {"type": "button"}
            elif control is not None:
                commands[channel] = {"type": control, "channel": channel}
        channels = {each: field for each, field in born.channels.items() if each != REBIRTH}
        return {"name": name, "model": "Sparkplug B", "channels": channels, "commands": commands}

    # What it is told

    def greeting(self) -> Sequence[Outgoing]:
        return [fact for fact in self._ask_for_birth() if isinstance(fact, Outgoing)]

    def write(self, request: Request) -> Sequence[Outgoing]:
        born = self._born.get(request.child)
        metric = born.metrics.get(request.name) if born is not None else None
        if metric is None:
            raise Invalid(f"{request.name!r} is no metric that was born")
        value = _fitting_value(metric.datatype, msgspec.json.decode(request.value))
        while len(self._asked) >= 256:
            del self._asked[next(iter(self._asked))]
        self._asked[(request.child, request.name)] = request.name
        told = Metric(metric.name, metric.alias, None, metric.datatype, value)
        if request.child is None:
            return [self._outgoing("NCMD", self._node, told)]
        return [self._outgoing("DCMD", f"{self._node}/{self._names[request.child]}", told)]

    def _outgoing(self, kind: str, to: str, metric: Metric) -> Outgoing:
        payload = encoded(Payload(None, [metric], None))
        return Outgoing(f"{SPACE}/{self._group}/{kind}/{to}", payload)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _control(datatype: int) -> str | None:
    if datatype == BOOLEAN:
        return "boolean"
    if datatype in SIGNED or datatype in UNSIGNED or datatype in (FLOAT, DOUBLE):
        return "number"
    return "text" if datatype in TEXTS else None


def _fitting_value(datatype: int, value: Any) -> Any:
    """Return a command's value as its metric has it. Raises `Invalid`."""
    control = _control(datatype)
    if control == "boolean" and isinstance(value, bool):
        return value
    if control == "text" and isinstance(value, str):
        return value
    if control == "number" and type(value) in (int, float):
        if datatype in (FLOAT, DOUBLE):
            return float(value) if abs(value) < 3.4e38 or datatype == DOUBLE else _refuse(control)
        bits, signed = SIGNED.get(datatype), datatype in SIGNED
        width = bits or UNSIGNED[datatype]
        low, high = (-(1 << width - 1), 1 << width - 1) if signed else (0, 1 << width)
        if float(value).is_integer() and low <= value < high:
            return int(value)
    return _refuse(control)


def _refuse(control: str | None) -> Any:
    expected = {"boolean": "true or false", "text": "a text", "number": "a number that fits"}
    raise Invalid(f"{expected.get(control or '', 'nothing')} is expected: so the metric was born")
