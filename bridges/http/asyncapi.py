"""The AsyncAPI 3.0 document: what travels over WebSocket and MQTT."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

_TEXT = {"type": "string"}
_SEQ = {"type": "integer", "minimum": 0}
_MS = {"type": "integer", "description": "milliseconds since 1970 UTC"}
_ID = {"type": ["string", "number", "null"], "maxLength": 64, "description": "answers carry it"}


def _object(said: str, /, *required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": said,
        "properties": properties,
        "required": list(required),
    }


def _message(kind: str, said: str, /, *required: str, **properties: Any) -> dict[str, Any]:
    return _object(said, "type", *required, type={"const": kind}, **properties)


_FRAME = _object(
    "what a device measured, said, was sent or replied",
    *("type", "seq", "device", "channel", "ts", "value"),
    type={"enum": ["telemetry", "presence", "command", "reply"]},
    seq=_SEQ,
    device=_TEXT,
    channel=_TEXT,
    ts=_MS,
    value={"description": "any JSON"},
    received={**_MS, "description": "where the device gave its own time"},
)

SENT: dict[str, dict[str, Any]] = {
    "auth": _message("auth", "the first message of who sent no header", "token", token=_TEXT),
    "subscribe": _message(
        "subscribe",
        "ask for the frames of a filter",
        "filter",
        id=_ID,
        filter=_TEXT,
        snapshot={"type": "boolean", "default": True},
        since=_SEQ,
        epoch=_TEXT,
        mode={"enum": ["all", "latest"]},
    ),
    "unsubscribe": _message("unsubscribe", "ask for them no more", id=_ID),
    "command": _message(
        "command",
        "send a command to a device",
        "device",
        "name",
        id=_ID,
        device=_TEXT,
        name=_TEXT,
        value={"description": "any JSON"},
        wait={
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 60,
            "description": "seconds to wait for the reply",
        },
        ttl={
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "seconds after which it is no longer sent",
        },
    ),
    "ping": _message("ping", "ask whether the gateway is there"),
}
"""What a WebSocket listener sends, by name."""

RECEIVED: dict[str, dict[str, Any]] = {
    "hello": _message(
        "hello",
        "on connect; epoch names the database",
        "epoch",
        "seq",
        epoch=_TEXT,
        seq=_SEQ,
    ),
    "ack": _message("ack", "done", id=_ID, seq=_SEQ, command=_TEXT),
    "frame": _FRAME,
    "gap": _message(
        "gap", "frames that history no longer has", "from", "to", **{"from": _SEQ, "to": _SEQ}
    ),
    "reply": _message(
        "reply", "a device's reply", "id", "value", id=_ID, value={"description": "any JSON"}
    ),
    "error": _message(
        "error", "what was wrong", "code", "message", id=_ID, code=_TEXT, message=_TEXT
    ),
    "pong": _message("pong", "it is"),
}
"""What a WebSocket listener receives, by name."""

# name: (topic, who sends, what the payload is)
TOPICS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "telemetry": (
        "devices/{device}/telemetry",
        "device",
        {
            "description": (
                "a JSON object: each key is a channel; or {ts, values}, or an array of those"
            )
        },
    ),
    "telemetryOfChannel": (
        "devices/{device}/telemetry/{channel}",
        "device",
        {"description": "one value: JSON, else UTF-8 text, else kept as base64"},
    ),
    "status": ("devices/{device}/status", "device", {"enum": ["online", "offline"]}),
    "commands": (
        "devices/{device}/commands/{name}",
        "gateway",
        {"description": "the command's JSON value, QoS 1"},
    ),
    "replies": (
        "devices/{device}/replies/{name}",
        "device",
        {
            "description": (
                "answers the oldest open command of that name; with MQTT 5 "
                "correlation data, that very one"
            )
        },
    ),
}
"""The gateway's own MQTT topics."""


class Servers(msgspec.Struct, frozen=True):
    """Where the gateway is: `url`, of its HTTP port; the ports of MQTT without and with TLS, 0
    where there is none.
    """

    url: str = "http://localhost:8080"
    mqtt: int = 1883
    mqtts: int = 0

    def described(self) -> dict[str, Any]:
        """Return them in AsyncAPI's words."""
        where = urlsplit(self.url)
        name = where.netloc.removesuffix(f":{where.port}") if where.port else where.netloc
        mqtt = "MQTT 3.1.1 and 5"
        found = {
            "http": _server(where.netloc, where.scheme.replace("http", "ws"), "the HTTP port"),
        }
        if self.mqtt:
            found["mqtt"] = _server(f"{name}:{self.mqtt}", "mqtt", mqtt)
        if self.mqtts:
            found["mqtts"] = _server(f"{name}:{self.mqtts}", "mqtts", f"{mqtt} over TLS")
        return found


def _server(host: str, protocol: str, said: str) -> dict[str, str]:
    return {"host": host, "protocol": protocol, "description": said}


def document(version: str, servers: Servers) -> dict[str, Any]:
    """Return the document; operations are named from the gateway's side, as AsyncAPI has it."""
    described = servers.described()
    by_mqtt = [{"$ref": f"#/servers/{name}"} for name in described if name != "http"]
    messages = {
        name: {"name": name, "payload": payload} for name, payload in {**SENT, **RECEIVED}.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Device gateway", "version": version, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "servers": described,
        "channels": {"listeners": _websocket(), **{name: _topic(name, by_mqtt) for name in TOPICS}},
        "operations": {
            "takeRequest": _operation("receive", "listeners", SENT),
            "tellListener": _operation("send", "listeners", RECEIVED),
            **{name: _topic_operation(name) for name in TOPICS},
        },
        "components": {"messages": messages},
    }


def _websocket() -> dict[str, Any]:
    names = (*SENT, *RECEIVED)
    return {
        "address": "/api/v1/ws",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _topic(name: str, servers: list[dict[str, str]]) -> dict[str, Any]:
    address, _, payload = TOPICS[name]
    return {
        "address": address,
        "servers": servers,
        "parameters": {level[1:-1]: {} for level in address.split("/") if level.startswith("{")},
        "messages": {name: {"name": name, "payload": payload}},
    }


def _operation(action: str, channel: str, names: Any) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}


def _topic_operation(name: str) -> dict[str, Any]:
    return _operation("receive" if TOPICS[name][1] == "device" else "send", name, [name])
