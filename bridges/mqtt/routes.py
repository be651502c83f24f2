"""From a topic to what it is about: one route, and all of them in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from gateway.errors import Invalid, InvalidTopic
from gateway.topics import TopicPattern, check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.payloads import Decode

Kind: TypeAlias = Literal["telemetry", "about", "status", "command", "reply", "carried", "unfit"]


class Match(NamedTuple):
    """What a topic is about. `channel` None: the channels are in the payload; of commands and
    replies, the name.

    Of kind "carried": a device's, between MQTT clients; it makes no frame. "unfit": of a route, but
    what stands for the device or the channel is neither: `reason` says why.
    """

    kind: Kind
    device: str  # nothing, where it does not fit
    channel: str | None
    decode: Decode
    retain: bool | None
    reason: str = ""


class Route:
    """One route; `device` and `channel` where the topic does not give them. Raises `Invalid` where
    they are missing.
    """

    def __init__(
        self,
        topic: str,
        *,
        decode: Decode = "auto",
        retain: bool | None = None,
        device: str | None = None,
        channel: str | None = None,
        kind: Kind = "telemetry",
    ) -> None:
        self.pattern = TopicPattern(topic)
        self._kind = kind
        self._decode = decode
        self._retain = retain
        self._device = None if device is None else check_device(device)
        self._channel = None if channel is None else check_channel(channel)
        if ("device" in self.pattern.captures) == (device is not None):
            raise Invalid(
                f"route {topic!r}: name the device, either by {{device}} in the topic or by "
                f"device = ..."
            )
        if (
            any(name.startswith("channel") for name in self.pattern.captures)
            and channel is not None
        ):
            raise Invalid(f"route {topic!r}: the channel stands in the topic and in channel = ...")

    def match(self, topic: str) -> Match | None:
        """Return what a topic is about, or None where it is not of this route."""
        captures = self.pattern.match(topic)
        if captures is None:
            return None
        channel = captures.channel or self._channel
        device = ""
        try:
            device = check_device(captures.device or self._device or "")
            channel = None if channel is None else check_channel(channel)
        except InvalidTopic as error:
            return Match("unfit", device, None, "raw", None, str(error))
        return Match(self._kind, device, channel, self._decode, self._retain)


class Routes:
    """All routes, in order: the first that a topic is of counts."""

    def __init__(
        self,
        own: Sequence[Route],
        configured: Sequence[Route] = (),
        *,
        below: Callable[[str], Match | None],
        own_filter: str,
    ) -> None:
        self._routes = (*own, *configured)
        self._below = below
        self.filters = [own_filter, *(route.pattern.filter for route in configured)]
        """The topic filters that cover all routes, for an engine that has to subscribe."""

    def find(self, topic: str) -> Match | None:
        """Return what a topic is about; None: it is nobody's, and is carried between MQTT
        clients.
        """
        unfit = None
        for route in self._routes:
            match = route.match(topic)
            if match is not None and match.kind != "unfit":
                return match
            unfit = unfit or match
        if unfit is not None and unfit.device:
            return unfit
        return self._below(topic) or unfit
