"""What the parts count that the core does not know, for `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.http.metrics import Measure

if TYPE_CHECKING:
    from collections.abc import Sized

    from gateway.root.parts import Parts


def of_parts(parts: Parts) -> list[Measure]:
    """Return the counters of the gate and of what users add."""
    reactions = parts.reactions
    return [
        Measure(
            "gauge",
            "frames_to_aggregate",
            "Frames of an older database that minutes, hours and days do not count yet",
            lambda: parts.upkeep.behind,
        ),
        Measure(
            "counter",
            "messages_rejected",
            "Messages that could not be translated",
            lambda: parts.mqtt.gate.rejected,
        ),
        Measure(
            "counter",
            "handler_events_dropped",
            "Events that handlers were too slow for",
            lambda: reactions.handlers.dropped,
        ),
        Measure(
            "counter",
            "handler_failures",
            "Exceptions in handlers",
            lambda: reactions.handlers.failed,
        ),
        Measure(
            "counter",
            "webhooks_dropped",
            "Webhook posts given up",
            lambda: reactions.webhooks.dropped,
        ),
    ]


def of_listeners(websockets: Sized, streams: Sized, connections: Sized) -> list[Measure]:
    """Return the gauges of the HTTP port."""
    return [
        Measure("gauge", "websockets", "Open WebSockets of listeners", lambda: len(websockets)),
        Measure(
            "gauge", "event_streams", "Open streams of server-sent events", lambda: len(streams)
        ),
        Measure(
            "gauge",
            "http_connections",
            "Connections to the HTTP port, those of MQTT left out",
            lambda: len(connections),
        ),
    ]
