"""Listeners over WebSocket, `/api/v1/ws`: frames out, commands in."""

from gateway.bridges.websocket.bridge import WebSockets

__all__ = ["WebSockets"]
