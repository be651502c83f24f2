"""Frames: what listeners get and history keeps.

A frame's JSON never changes: the half that depends only on the series is computed once, a payload
that is valid JSON goes in as it came, and nothing is encoded twice.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import msgspec

encode = msgspec.json.Encoder().encode
MAX_TS = 253_402_300_799_999  # ms; the end of the year 9999, so that every ts is an RFC 3339 time


def to_json(value: Any) -> str:
    """Return the JSON text of a value, on one line."""
    return encode(value).decode()


def number_of(value: str) -> float | None:
    """Return a value's JSON text as a number, true and false as 1 and 0; None for all else."""
    if value[0] in "-0123456789":
        return float(value)
    return {"true": 1.0, "false": 0.0}.get(value)


class Series:
    """One stream of frames: what has the same type, device and channel.

    `latest` is the JSON of the frame with the greatest `ts`, the greater `seq` among equals; None
    before the first. `groups` and `generation` are the hub's: who listens, and as of when.
    """

    __slots__ = (
        "channel",
        "device",
        "generation",
        "groups",
        "head",
        "id",
        "latest",
        "latest_seq",
        "latest_ts",
        "middle",
        "type",
    )

    def __init__(self, number: int, type_: str, device: str, channel: str) -> None:
        self.id = number
        self.type = type_
        self.device = device
        self.channel = channel
        self.head = f'{{"type":{to_json(type_)},"seq":'
        self.middle = f',"device":{to_json(device)},"channel":{to_json(channel)},"ts":'
        self.latest: bytes | None = None
        self.latest_ts = -1
        self.latest_seq = 0
        self.groups: tuple[Any, ...] = ()
        self.generation = -1

    @property
    def path(self) -> str:
        """`device/channel`, what a listener's filter is matched with."""
        return f"{self.device}/{self.channel}"

    def json(self, seq: int, ts: int, value: str, extra: str) -> bytes:
        """Return the frame's JSON."""
        return f'{self.head}{seq}{self.middle}{ts},"value":{value}{extra}}}'.encode()

    def __repr__(self) -> str:
        return f"Series({self.id}, {self.type}, {self.path})"


def received_extra(now: int) -> str:
    """The end of a frame whose `ts` is the device's own: when it arrived."""
    return f',"received":{now}'


def rule_extra(rule: str) -> str:
    """The end of a frame that a rule publishes: its name."""
    return f',"rule":{to_json(rule)}'


def is_of_rule(extra: str) -> bool:
    """Tell whether a rule has published the frame with this end."""
    return extra.startswith(',"rule":')


def reply_extra(command: str) -> str:
    """The end of a reply's frame: the id of the command that it answers."""
    return f',"id":"{command}"'


def command_extra(command: str, state: str, error: str | None = None) -> str:
    """The end of a command's frame: its id and state, and why it failed."""
    why = "" if error is None else f',"error":{to_json(error)}'
    return f',"id":"{command}","state":"{state}"{why}'


def is_new_command(extra: str) -> bool:
    """Tell whether a command's frame is its first."""
    return extra.endswith('"state":"queued"')


def session_extra(session: int, reason: str | None = None, seen: int | None = None) -> str:
    """The end of a presence frame: the session's number, why it has ended, and when the device was
    last heard of.
    """
    why = "" if reason is None else f',"reason":"{reason}"'
    return f',"session":{session}{why}' + ("" if seen is None else f',"seen":{seen}')


Entry: TypeAlias = tuple[Series, int, str, str]
"""A frame before it has its seq: series, ts (ms), the value's JSON text on one line, and `extra`:
what follows the value, such as `,"received":1763673303125`, or nothing.
"""


class Frame(NamedTuple):
    """A stored frame."""

    seq: int
    series: Series
    ts: int
    value: str
    extra: str

    @property
    def json(self) -> bytes:
        return self.series.json(self.seq, self.ts, self.value, self.extra)
