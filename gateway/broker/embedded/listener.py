"""The sockets that clients connect to: MQTT over TCP and over TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_BACKLOG = 4_096  # 2,000 connects a second come in bursts
_HANDSHAKE_SECONDS = 10


class Listener:
    """One bound port."""

    def __init__(self, name: str, server: asyncio.Server) -> None:
        self.name = name
        self.port = int(server.sockets[0].getsockname()[1])
        self._server = server

    @classmethod
    async def open(
        cls,
        accept: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        context: ssl.SSLContext | None = None,
    ) -> Listener:
        """Listen, and let `accept` make the connections; raises `OSError` where the port cannot be
        had.
        """
        loop = asyncio.get_running_loop()
        handshake = _HANDSHAKE_SECONDS if context else None
        server = await loop.create_server(
            accept, host, port, ssl=context, backlog=_BACKLOG, ssl_handshake_timeout=handshake
        )
        return cls("mqtts" if context else "mqtt", server)

    def close(self) -> None:
        """Accept no more; the connections stay."""
        self._server.close()
