"""The beginning of a connection: its CONNECT, the sign-in, and a session or a refusal (3.1, 3.2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, decode
from gateway.broker.embedded.core.handshake import (
    Refused,
    admit,
    certificate_name,
    complaint,
    peer_address,
    refusal,
)
from gateway.broker.embedded.core.inlet import lacking
from gateway.broker.embedded.core.pending import Batch
from gateway.broker.embedded.core.subscribing import check_resumed
from gateway.broker.embedded.core.wills import forget_will
from gateway.errors import ProtocolError

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Connect
    from gateway.broker.embedded.connection import Connection
    from gateway.broker.embedded.core.handshake import Admission
    from gateway.broker.embedded.core.outlet import Transport
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core


class Greeting:
    """A connection until it is let in or refused.

    `answering`: CONNECT was read; its answer waits for a commit, or is held back. `missing`: the
    bytes that an incomplete CONNECT still needs, 0 if unknown.
    """

    __slots__ = ("_connection", "_core", "_session", "_transport", "answering", "missing")

    def __init__(self, core: Core, connection: Connection, transport: Transport) -> None:
        self._core = core
        self._connection = connection
        self._transport = transport
        self._session: Session | None = None
        self.answering = False
        self.missing = 0

    def parse(self, data: bytes, start: int) -> int:
        """Answer the CONNECT, once it is complete; return the position after what was read."""
        limits = self._core.limits
        largest = min(limits.packet_size, limits.connect_size)
        try:
            found = decode(data, start, UNKNOWN_VERSION, largest)
        except ProtocolError as error:
            self._connection.refuse(complaint(error, data, start))
            return len(data)
        if found is None:
            self.missing = lacking(data, start, largest)
            return start
        self.answering = True
        self._answer(cast("Connect", found[0]))
        return found[1]

    def _answer(self, packet: Connect) -> None:
        connection, transport = self._connection, self._transport
        connection.version = packet.protocol_level
        connection.address = peer_address(transport)
        try:
            admission = admit(self._core, packet, connection.address, certificate_name(transport))
        except Refused as refused:
            most = packet.properties.maximum_packet_size
            self._hold_back(refusal(refused.reason_code, connection.version, most), refused.delay)
        else:
            self._let_in(admission)

    def _hold_back(self, answer: bytes, delay: float) -> None:
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._connection.refuse, answer)
        else:
            self._connection.refuse(answer)

    def _let_in(self, admission: Admission) -> None:
        """Give the client its session; what changes is stored before the client is told."""
        core, connection = self._core, self._connection
        before = core.sessions.find(admission.identity, admission.client_id)
        if before is not None and before.connection is not None:
            before.connection.take_over()
        session, present = core.sessions.open(
            admission.identity, admission.client_id, admission.expiry,
            clean=admission.clean_start, will=admission.will,
        )  # fmt: skip
        self._session = session
        session.connection = connection
        core.connections.add(connection)
        core.seats.take()
        if present:
            check_resumed(core, session)
        batch = Batch(core, connection.line, None)
        batch.then.append(lambda: connection.welcome(session, admission, present=present))
        batch.commit()

    def end(self) -> None:
        """The connection is over before CONNACK was sent."""
        session = self._session
        if session is not None:
            session.connection = None
            forget_will(self._core, session)
            self._core.sessions.leave(session)
