"""The gateway's own topics: `devices/{device}/telemetry`, `status`, `commands`, `replies`.

Pure: topics and payloads in, what they are about and messages out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.routes import Match, Route, Routes
from gateway.broker.port import Message, Properties
from gateway.errors import Untranslatable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.commands import AnswerTo, Command
    from gateway.presence import Status

FILTER = "devices/#"  # covers all of them

ROUTES = (
    Route("devices/{device}/telemetry"),
    Route("devices/{device}/telemetry/{channel...}"),
    Route("devices/{device}/about", channel="about", kind="about"),
    Route("devices/{device}/status", channel="status", kind="status", decode="text"),
    Route("devices/{device}/commands/{channel...}", kind="command"),
    Route("devices/{device}/replies/{channel...}", kind="reply"),
)

_STATUSES: dict[bytes, Status] = {b"online": "online", b"offline": "offline"}


def below(topic: str) -> Match | None:
    """Return whose a topic is that is of none of the routes: all below `devices/{device}` is the
    device's, and is carried between MQTT clients.
    """
    levels = topic.split("/", 2)
    if levels[0] != "devices" or len(levels) == 1:
        return None
    return Match("carried", levels[1], None, "raw", None)


def routes(configured: Sequence[Route] = ()) -> Routes:
    """Return all routes, the gateway's own first: nobody can turn those to another device."""
    return Routes(ROUTES, configured, below=below, own_filter=FILTER)


def command(sent: Command) -> Message:
    """Return a command as its device gets it; MQTT 5 devices can answer it exactly (section
    4.10).
    """
    return Message(
        topic=f"devices/{sent.device}/commands/{sent.name}",
        payload=sent.value.encode(),
        qos=1,
        properties=Properties(
            payload_format=1,
            content_type="application/json",
            response_topic=f"devices/{sent.device}/replies/{sent.name}",
            correlation_data=sent.id.encode(),
        ),
    )


def answer(replied: Command, answer_to: AnswerTo) -> Message:
    """Return the reply to a device's command, on the response topic of its request, or else on its
    own topics.
    """
    return Message(
        topic=answer_to.topic or f"devices/{answer_to.device}/replies/{replied.name}",
        payload=(replied.reply or "null").encode(),
        qos=1,
        properties=Properties(
            payload_format=1,
            content_type="application/json",
            correlation_data=answer_to.correlation,
        ),
    )


def status(payload: bytes) -> Status:
    """Return what a device, or its will, says of its presence; raises `Untranslatable`."""
    said = _STATUSES.get(payload.strip().strip(b'"'))
    if said is None:
        raise Untranslatable("a status is online or offline")
    return said
