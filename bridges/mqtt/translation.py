"""From payloads to entries, one small function for each topic and sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.about import announced
from gateway.bridges.mqtt.conventions import gateway
from gateway.broker.port import Properties
from gateway.commands import AnswerTo
from gateway.errors import Untranslatable
from gateway.frames import received_extra
from gateway.payloads import by_content_type, one_value, plain_members, readings
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.about import About
    from gateway.access.principal import Principal
    from gateway.asking import Asking
    from gateway.bridges.mqtt.routes import Match
    from gateway.broker.port import Message
    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.frames import Entry, Series
    from gateway.payloads import Decode
    from gateway.presence import Presence
    from gateway.shapes import Exists

Translate: TypeAlias = "Callable[[bytes, int, Message], Sequence[Entry]]"

NONE = Properties()


class Translation:
    """Makes the functions that turn payloads into entries. `exists`: whether there is a device;
    `announce`: takes what one says of itself.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        presence: Presence,
        commands: Commands,
        asking: Asking,
        exists: Exists,
        announce: Callable[[str, About], None],
    ) -> None:
        self._catalog = catalog
        self._presence = presence
        self._commands = commands
        self._asking = asking
        self._exists = exists
        self._announce = announce

    def of(self, match: Match, sender: Principal) -> Translate:
        """Return the function for what a topic is about; it raises `GatewayError` where a payload
        does not fit.
        """
        if match.kind == "unfit":
            return _refuse(match.reason)
        if not self._exists(match.device):
            return self._awaited(match, sender)
        if match.kind == "about":
            return self._about(match.device)
        if match.kind == "status":
            return self._status(match)
        if match.kind == "command":
            return self._command(match, sender)
        if match.kind == "reply":
            return self._reply(match)
        return self._many(match) if match.channel is None else self._one(match, match.channel)

    def _awaited(self, match: Match, sender: Principal) -> Translate:
        """Return the function for a device that is not there yet; once it is, it is as any
        other.
        """
        made: list[Translate] = []

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            if not made:
                if not self._exists(match.device):
                    raise Untranslatable(f"there is no device {match.device!r}: add it first")
                made.append(self.of(match, sender))
            return made[0](payload, now, message)

        return translate

    def _one(self, match: Match, channel: str) -> Translate:
        series: list[
            Series
        ] = []  # made by the first value: a topic that carries none makes no series

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            if (
                not payload and message.retain
            ):  # this clears the retained message; it is not a value
                return ()
            value = one_value(payload, _codec(match, message))
            if not series:
                series.append(self._catalog.series("telemetry", match.device, channel))
            return ((series[0], now, value, ""),)

        return translate

    def _many(self, match: Match) -> Translate:
        known: dict[str, Series] = {}

        def find(channel: str) -> Series:
            series = known[channel] = self._catalog.series(
                "telemetry", match.device, check_channel(channel)
            )
            return series

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            how = _codec(match, message)
            members = plain_members(payload) if how in ("auto", "json") else None
            if members is not None:
                return [
                    (known.get(channel) or find(channel), now, value, "")
                    for channel, value in members
                ]
            if not payload and message.retain:
                return ()
            received = received_extra(now)
            return [
                (known.get(r.channel) or find(r.channel), now, r.value, "")
                if r.ts is None
                else (known.get(r.channel) or find(r.channel), r.ts, r.value, received)
                for r in readings(payload, now, how)
            ]

        return translate

    def _about(self, device: str) -> Translate:
        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            self._announce(device, announced(payload))
            return ()

        return translate

    def _status(self, match: Match) -> Translate:
        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            return self._presence.reported(match.device, gateway.status(payload), now)

        return translate

    def _reply(self, match: Match) -> Translate:
        name = str(match.channel)

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            correlation = message.properties.correlation_data if message.properties else None
            return self._commands.replied(match.device, name, one_value(payload), correlation, now)

        return translate

    def _command(self, match: Match, sender: Principal) -> Translate:
        name = str(match.channel)

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            answer_to = None
            if sender.device is not None:
                asked = message.properties or NONE
                answer_to = AnswerTo(sender.device, asked.response_topic, asked.correlation_data)
            ttl = message.properties.message_expiry if message.properties else None
            self._asking.submit(
                sender, match.device, name, one_value(payload), ttl=ttl, answer_to=answer_to
            )
            return ()  # the command has its own place in the batch

        return translate


def _refuse(reason: str) -> Translate:
    """Return a function that takes no payload of a topic, for this reason."""

    def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
        raise Untranslatable(reason)

    return translate


def _codec(match: Match, message: Message) -> Decode:
    """Return how a message is read: as its route says, else as its MQTT 5 content type does."""
    if message.properties is None or match.decode != "auto":
        return match.decode
    said = message.properties.content_type
    return (said and by_content_type(said)) or "auto"
