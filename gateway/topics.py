"""Topic names, topic filters, device ids, channels and route patterns (MQTT 5 section 4.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.errors import InvalidTopic

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHANNEL = 256  # characters
MAX_FILTER = 1_024  # characters of a filter of ours
MAX_LEVELS = 128  # of a filter of ours
WILDCARDS = frozenset({"+", "#"})
_DEVICE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NOT_IN_NAME = re.compile("[+#\x00\ud800-\udfff]")
_NOT_IN_FILTER = re.compile("[\x00\ud800-\udfff]")
_NOT_IN_CHANNEL = re.compile("[+#\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CAPTURE = re.compile(r"\{(device|channel|channel\.\.\.)\}")


def check_device(device: str) -> str:
    """Return a device id as it is, or raise `InvalidTopic`."""
    if not _DEVICE.fullmatch(device):
        raise InvalidTopic(f"{device[:80]!r} is not a device id: 1 to 64 of A-Z a-z 0-9 _ . : -")
    return device


def check_channel(channel: str) -> str:
    """Return a channel (one or more topic levels) as it is, or raise `InvalidTopic`."""
    if not channel or len(channel) > MAX_CHANNEL or _NOT_IN_CHANNEL.search(channel):
        raise InvalidTopic(
            f"{channel[:80]!r} is not a channel: 1 to {MAX_CHANNEL} characters, no +, # or "
            f"control characters"
        )
    if channel[0] == "/" or channel[-1] == "/" or "//" in channel:
        raise InvalidTopic(f"{channel[:80]!r} is not a channel: a level is empty")
    return channel


def check_topic(topic: str) -> str:
    """Return a topic name as it is, or raise `InvalidTopic`."""
    if not topic:  # [MQTT-4.7.3-1]
        raise InvalidTopic("a topic name has at least one character")
    if _NOT_IN_NAME.search(topic):  # [MQTT-3.3.2-2] [MQTT-4.7.3-2] [MQTT-1.5.4-1]
        raise InvalidTopic(f"a topic name has no wildcard, no NUL and no surrogate: {topic[:80]!r}")
    if len(topic) > 16383 and len(topic.encode()) > 65535:  # [MQTT-4.7.3-3]
        raise InvalidTopic("a topic name is at most 65,535 bytes")
    return topic


def check_filter(topic_filter: str) -> str:
    """Return a topic filter as it is, or raise `InvalidTopic`."""
    if not topic_filter:  # [MQTT-4.7.3-1]
        raise InvalidTopic("a filter has at least one character")
    if _NOT_IN_FILTER.search(topic_filter):  # [MQTT-4.7.3-2] [MQTT-1.5.4-1]
        raise InvalidTopic(f"a filter has no NUL and no surrogate: {topic_filter[:80]!r}")
    if len(topic_filter) > 16383 and len(topic_filter.encode()) > 65535:  # [MQTT-4.7.3-3]
        raise InvalidTopic("a filter is at most 65,535 bytes")
    if "#" in topic_filter or "+" in topic_filter:
        *front, last = topic_filter.split("/")
        if any("#" in level for level in front) or ("#" in last and last != "#"):  # [MQTT-4.7.1-1]
            raise InvalidTopic(
                f"{topic_filter[:80]!r} is no filter: # stands alone, as the last level"
            )
        if any("+" in level and level != "+" for level in (*front, last)):  # [MQTT-4.7.1-2]
            raise InvalidTopic(f"{topic_filter[:80]!r} is no filter: + stands alone in its level")
    return topic_filter


class TopicFilter:
    """A checked topic filter that knows what it matches; equal filters are equal and hash alike.

    Used for frames, as `device/channel`, and in rules and grants: it is shorter than MQTT permits,
    so that nobody's filters cost others time.
    """

    __slots__ = ("levels", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_FILTER or text.count("/") >= MAX_LEVELS:
            raise InvalidTopic(
                f"{text[:80]!r}...: a filter has at most {MAX_FILTER:,} characters, "
                f"and {MAX_LEVELS} levels"
            )
        self.text = check_filter(text)
        self.levels = text.split("/")

    def matches(self, topic: str) -> bool:
        return _reach(self.levels, topic.split("/"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopicFilter) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"TopicFilter({self.text!r})"


class Matcher:
    """Many filters at once: a topic is compared level by level with all of them together."""

    __slots__ = ("_root",)

    def __init__(self, filters: Iterable[TopicFilter]) -> None:
        self._root: _Node = {}
        for topic_filter in filters:
            node = self._root
            for level in topic_filter.levels:
                node = node.setdefault(level, {})
            node[None] = {}

    def matches(self, topic: str) -> bool:
        """Tell whether any of the filters matches a topic."""
        levels = topic.split("/")
        if levels[0][:1] == "$":  # [MQTT-4.7.2-1]
            own = self._root.get(levels[0])
            return own is not None and _found(own, levels, 1)
        return _found(self._root, levels, 0)


_Node: TypeAlias = "dict[str | None, _Node]"
"""What follows a level of filters; None where one ends."""


def _found(node: _Node, levels: list[str], depth: int) -> bool:
    if "#" in node:  # the parent level included
        return True
    if depth == len(levels):
        return None in node
    return any(
        _found(node[level], levels, depth + 1) for level in (levels[depth], "+") if level in node
    )


def covers(wide: str, narrow: str) -> bool:
    """Tell whether a checked filter matches every topic that another one matches; a topic is a
    filter that matches itself alone.
    """
    return _reach(wide.split("/"), narrow.split("/"))


def is_pattern(topic_filter: str) -> bool:
    """Tell whether a filter has a wildcard, so that it is not itself a topic name."""
    return "+" in topic_filter or "#" in topic_filter


def _reach(wide: list[str], narrow: list[str]) -> bool:
    if wide[0] in WILDCARDS and narrow[0][:1] == "$":  # [MQTT-4.7.2-1]
        return False
    if len(wide) > len(narrow) and wide[len(narrow)] != "#":  # # includes the parent level
        return False
    for level, other in zip(wide, narrow, strict=False):
        if level == "#":
            return True
        if level != other and (level != "+" or other == "#"):
            return False
    return len(wide) >= len(narrow)


class Captures(NamedTuple):
    """What a route pattern took out of a topic; whether it fits is not looked at."""

    device: str | None
    channel: str | None


class TopicPattern:
    """A route's topic, such as `tele/{device}/SENSOR`: literals, `{device}`, `{channel}`,
    `{channel...}`.

    `filter` is the narrowest MQTT topic filter that covers all its topics.
    """

    __slots__ = ("_match", "captures", "filter", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        levels = text.split("/")
        self.captures = tuple(_CAPTURE.findall(text))
        self._check(levels)
        lead = r"(?!\$)" if text.startswith("{") else ""  # as its filter [MQTT-4.7.2-1]
        self._match = re.compile(lead + "/".join(map(_pattern_level, levels)), re.DOTALL).fullmatch
        self.filter = "/".join(map(_filter_level, levels))

    def _check(self, levels: list[str]) -> None:
        names = [name.rstrip(".") for name in self.captures]
        if len(set(names)) != len(names):
            raise InvalidTopic(f"{self.text!r}: a capture stands twice")
        for level in levels:
            inside = _CAPTURE.fullmatch(level)
            if not inside and any(sign in level for sign in "{}+#\x00"):
                raise InvalidTopic(
                    f"{self.text!r}: {level!r} is neither a literal nor {{device}}, "
                    f"{{channel}} or {{channel...}}"
                )
        if "channel..." in self.captures and levels[-1] != "{channel...}":
            raise InvalidTopic(f"{self.text!r}: {{channel...}} is the last level")
        check_topic(self.text)

    def match(self, topic: str) -> Captures | None:
        """Return the captures of a topic, or None where it is not one of this pattern."""
        found = self._match(topic)
        if found is None:
            return None
        groups = found.groupdict()
        return Captures(groups.get("device"), groups.get("channel"))


def _pattern_level(level: str) -> str:
    if level == "{device}":
        return "(?P<device>[^/]+)"
    if level == "{channel}":
        return "(?P<channel>[^/]+)"
    if level == "{channel...}":
        return "(?P<channel>.+)"
    return re.escape(level)


def _filter_level(level: str) -> str:
    if level == "{channel...}":
        return "#"
    return "+" if _CAPTURE.fullmatch(level) else level
