"""From a topic to what it is about: the gateway's own topics, then the `[[routes]]` of
`gateway.toml`, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from gateway.errors import Invalid, InvalidTopic
from gateway.topics import TopicPattern, check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.payloads import Decode

Kind: TypeAlias = Literal["telemetry", "status", "command", "reply"]


class Match(NamedTuple):
    """What a topic is about. `channel` None: the channels are in the payload; of commands and
    replies, the name.
    """

    kind: Kind
    device: str
    channel: str | None
    decode: Decode
    retain: bool | None


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
                f"route {topic!r}: name the device, either by {{device}} in the topic or by device = ..."
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
        device, channel = captures.device or self._device, captures.channel or self._channel
        assert device is not None  # one of the two, as __init__ saw to
        try:
            channel = None if channel is None else check_channel(channel)
        except InvalidTopic:
            return None
        return Match(self._kind, device, channel, self._decode, self._retain)


OWN = (
    Route("devices/{device}/telemetry"),
    Route("devices/{device}/telemetry/{channel...}"),
    Route("devices/{device}/status", channel="status", kind="status", decode="text"),
    Route("devices/{device}/commands/{channel...}", kind="command"),
    Route("devices/{device}/replies/{channel...}", kind="reply"),
)


class Routes:
    """All routes, the gateway's own first: nobody can turn those to another device."""

    def __init__(self, configured: Sequence[Route] = ()) -> None:
        self._routes = (*OWN, *configured)

    def find(self, topic: str) -> Match | None:
        """Return what a topic is about; None: it is carried between MQTT clients and makes no
        frame.
        """
        for route in self._routes:
            match = route.match(topic)
            if match is not None:
                return match
        return None

    def device_of(self, topic: str) -> str | None:
        """Return the device that a topic belongs to, if any."""
        levels = topic.split("/", 2)
        if levels[0] == "devices" and len(levels) == 3:
            return levels[1]
        match = self.find(topic)
        return None if match is None else match.device

    @property
    def filters(self) -> list[str]:
        """The topic filters that cover all routes, for an engine that has to subscribe."""
        return ["devices/#", *(route.pattern.filter for route in self._routes[len(OWN) :])]
