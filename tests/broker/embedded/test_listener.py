"""TCP and TLS listeners."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Connect
from gateway.broker.embedded.engine import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.broker.port import Credentials, Identity

    from .conftest import Bench


async def test_tls_has_its_own_port_and_names_the_client(new_bench: Callable[..., Bench]) -> None:
    """A client with a certificate of the configured authority is known by its name and its
    address.
    """
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    bench, seen = new_bench(), []
    plain = bench.gate.sign_in

    def sign_in(credentials: Credentials) -> Identity:
        seen.append((credentials.certificate, credentials.address))
        return plain(credentials)

    bench.gate.sign_in = sign_in  # type: ignore[method-assign]
    broker = EmbeddedBroker(bench.gate, host="127.0.0.1", port=0, tls=context, tls_port=0)
    await broker.start()
    try:
        assert set(broker.ports) == {"mqtt", "mqtts"}
        mine = ssl.create_default_context()
        ca.configure_trust(mine)
        ca.issue_cert("kitchen", common_name="kitchen").configure_cert(mine)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", broker.ports["mqtts"], ssl=mine, server_hostname="localhost"
        )
        writer.write(encode(Connect("c", username="d"), 4))
        assert await reader.readexactly(4) == b"\x20\x02\0\0"
        assert seen == [("kitchen", "127.0.0.1")]
        writer.close()
        await writer.wait_closed()
    finally:
        await broker.stop()


async def test_a_taken_port_is_an_error(bench: Bench) -> None:
    """A port that cannot be had raises `OSError`."""
    other = EmbeddedBroker(
        bench.gate,
        host="127.0.0.1",
        port=bench.broker.ports["mqtt"],
    )
    with pytest.raises(OSError, match="in use"):
        await other.start()
