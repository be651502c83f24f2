"""Routes of the other bridges on the HTTP port, so that they are served and documented with the
rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gateway.bridges.http.routes import API, Route

if TYPE_CHECKING:
    from gateway.bridges.http.routes import Handler


class StreamQuery(msgspec.Struct):
    """`epoch`: the database that `after` is from, where it is a bare seq."""

    filter: Annotated[
        list[str], Meta(max_length=100, description="any of these; without one, all frames")
    ] = []
    after: (
        Annotated[
            str,
            Meta(description="the id of an event, or a seq: frames after it, then live ones"),
        ]
        | None
    ) = None
    epoch: str | None = None


def stream(handler: Handler) -> Route:
    """Return the route of server-sent events."""
    return Route(
        method="GET",
        path=f"{API}/stream",
        handler=handler,
        summary="Frames as server-sent events: id is epoch-seq, event the type, data the frame",
        query=StreamQuery,
        answer={"type": "string"},
        media=("text/event-stream",),
        headers={"Last-Event-ID": "the id of the last event, or its seq; goes before `after`"},
        lasting=True,
    )


def websocket(handler: Handler) -> Route:
    """Return the route of the WebSocket; who sent no header signs in with the first message."""
    return Route(
        method="GET",
        path=f"{API}/ws",
        handler=handler,
        summary="WebSocket: frames out, commands in; see /asyncapi.json",
        status=101,
        lasting=True,
        open=True,
    )


def mqtt(handler: Handler) -> Route:
    """Return the route of MQTT over WebSocket, which signs in by its CONNECT packet."""
    return Route(
        method="GET",
        path="/mqtt",
        handler=handler,
        summary="MQTT over WebSocket, subprotocol mqtt; see /asyncapi.json",
        status=101,
        lasting=True,
        open=True,
    )
