"""One network connection of a client, from its first byte to its last.

`data_received` handles all complete packets of a read in one loop and hands one batch to the gate.
"""

from __future__ import annotations

import asyncio
import enum
import sys
from typing import TYPE_CHECKING, Final, cast

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Disconnect
from gateway.broker.embedded.codec.reasons import SERVER_DISCONNECT_CODES, ReasonCode
from gateway.broker.embedded.core.handshake import welcome
from gateway.broker.embedded.core.inlet import Inlet
from gateway.broker.embedded.core.outlet import Outlet, Transport
from gateway.broker.embedded.core.pending import Batch, Line
from gateway.broker.embedded.core.wheel import ticks
from gateway.broker.embedded.core.wills import forget_will, leave_will
from gateway.broker.embedded.greeting import Greeting
from gateway.errors import GatewayError, ProtocolError
from gateway.topics import covers

if TYPE_CHECKING:
    from gateway.broker.embedded.codec.packets import Will
    from gateway.broker.embedded.core.handshake import Admission
    from gateway.broker.embedded.core.session import Session
    from gateway.broker.embedded.core.shared import Core
    from gateway.broker.port import Departure, Done, Identity, Message, Sent, Told

_PAUSE: Final = 0.1  # seconds: the shortest wait of who sends too fast
_GRACE: Final = ticks(5)  # how long a closed connection may take to read what it was sent


class Stage(enum.IntEnum):
    """How far a connection has come."""

    GREETING = 0  # not let in yet
    OPEN = 1
    OVER = 2


class Connection(asyncio.Protocol):
    """A connection as the transport and the gate see it. `due` belongs to the wheel, `line` to its
    batches.
    """

    __slots__ = (
        "_chunks", "_core", "_greeting", "_heard", "_inlet", "_keep_alive", "_missing", "_stage", "_still",
        "_throttled", "_transport", "_will", "address", "due", "line", "outlet", "session", "unannounced",
        "version",
    )  # fmt: skip

    _transport: Transport
    _greeting: Greeting
    _inlet: Inlet
    session: Session
    outlet: Outlet

    def __init__(self, core: Core) -> None:
        self._core = core
        self._stage = Stage.GREETING
        self._still = False  # the transport does not read
        self._throttled = False
        self._chunks: list[bytes] | None = (
            None  # what has come of an incomplete packet, or waits to be handled
        )
        self._missing = 0  # bytes until it is worth another look
        self._heard = core.wheel.now
        self._keep_alive = 0  # in ticks, with the half on top
        self._will: Will | None = None
        self.address = ""
        self.due = -1
        self.line = Line()
        self.unannounced: frozenset[str] = (
            frozenset()
        )  # filters whose SUBACK is not out: the gate knows nothing of them
        self.version = UNKNOWN_VERSION

    @property
    def identity(self) -> Identity:
        return self.session.identity

    @property
    def client_id(self) -> str:
        return self.session.client_id

    @property
    def open(self) -> bool:
        return self._stage is Stage.OPEN

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        core = self._core
        if len(core.strangers) >= core.limits.strangers:
            self._stage = Stage.OVER
            core.counters.connections_refused += 1
            self._transport.abort()
            return
        core.strangers.add(self)
        self._greeting = Greeting(core, self, self._transport)
        core.wheel.watch(self, core.wheel.now + ticks(core.limits.connect_seconds))

    def data_received(self, data: bytes) -> None:
        core = self._core
        self._heard = core.wheel.now
        core.counters.bytes_received += len(data)
        if self._chunks is not None:
            self._chunks.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._chunks)
            self._chunks = None
        self._read(data)
        core.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        core = self._core
        core.wheel.unwatch(self)
        self._end("lost")
        core.closing.discard(self)
        if not core.closing:
            core.closed.set()

    def pause_writing(self) -> None:
        if self._stage is Stage.OPEN:
            self.outlet.block()

    def resume_writing(self) -> None:
        if self._stage is Stage.OPEN:
            self.outlet.unblock()

    # Reading.

    def _read(self, data: bytes) -> None:
        """Handle the packets in `data` and keep what is left over."""
        position, end = 0, len(data)
        self._missing = 0
        try:
            while position < end and self._reads():
                before = position
                position = (
                    self._packets(data, position) if self.open else self._greet(data, position)
                )
                if position == before:
                    break
        except GatewayError as error:  # a ProtocolError of the codec, or InvalidTopic
            self._core.counters.protocol_errors += 1
            self.close(error)
        if self._stage is Stage.OVER or position >= end:
            return
        self._chunks = [data[position:] if position else data]

    def _reads(self) -> bool:
        """Tell whether packets are handled now; if not, leave the rest to the socket until
        `proceed`.
        """
        if self._stage is Stage.OVER:
            return False
        if self._core.paused:
            self._core.stalled.add(self)
        elif not self._throttled and (self._stage is Stage.OPEN or not self._greeting.answering):
            return True
        if not self._still:
            self._still = True
            self._transport.pause_reading()
        return False

    def proceed(self) -> None:
        """Go on reading, if nothing else forbids it."""
        if not self._reads():
            return
        chunks, self._chunks = self._chunks, None
        if chunks:
            self._read(b"".join(chunks))
            self._core.flush()
        if self._still and self._reads():
            self._still = False
            self._transport.resume_reading()

    def throttle(self, seconds: float) -> None:
        """Read no more for a while: the client sends faster than it may."""
        self._throttled = True
        self._reads()
        asyncio.get_running_loop().call_later(seconds, self._unthrottle)

    def _unthrottle(self) -> None:
        self._throttled = False
        self.proceed()

    def _packets(self, data: bytes, start: int) -> int:
        """Handle packets up to the next that must be committed before others; return the position
        after them.
        """
        batch = Batch(self._core, self.line, self.outlet)
        try:
            position = self._inlet.parse(data, start, batch, self._allowance())
        finally:
            # What came before a broken packet is accepted.
            if batch.messages or batch.answers or batch.then or self._core.journal:
                self._commit(batch)
        self._missing = self._inlet.missing
        if batch.farewell is not None and self.open:
            self._goodbye(batch.farewell)
        return position

    def _allowance(self) -> int:
        core = self._core
        return (
            core.rates.allowance(self.identity.key)
            if core.limits.messages_per_second
            else sys.maxsize
        )

    def _commit(self, batch: Batch) -> None:
        count = len(batch.messages)
        self._core.counters.messages_received += count
        self.outlet.unanswered += batch.open
        batch.commit()
        if count and self._core.limits.messages_per_second:
            wait = self._core.rates.spend(self.identity.key, count)
            if wait > 0:
                self.throttle(max(wait, _PAUSE))

    # Coming in.

    def _greet(self, data: bytes, start: int) -> int:
        """Read a CONNECT; return the position after it."""
        greeting = self._greeting
        position = greeting.parse(data, start)
        self._missing = greeting.missing
        return position

    def refuse(self, answer: bytes) -> None:
        """Turn the client away, with an answer or without a word."""
        if self._stage is Stage.GREETING:  # and not lost while the answer was held back
            self._core.counters.connections_refused += 1
            if answer:
                self._transport.write(answer)
            self._end("cut_off")

    def welcome(self, session: Session, admission: Admission, *, present: bool) -> None:
        """Let the client in: its session is stored."""
        if self._stage is not Stage.GREETING:  # it was lost meanwhile
            return
        core, self.session = self._core, session
        self._stage = Stage.OPEN
        del self._greeting
        self._will = admission.will
        core.strangers.discard(self)
        core.counters.connects += 1
        self.outlet = session.outlet = Outlet(
            core, session, self._transport, five=self.version == 5, largest=admission.largest,
            window=admission.window, aliases=admission.aliases,
        )  # fmt: skip
        self._inlet = Inlet(core, self, session, self.outlet)
        # [MQTT-3.1.2-22] one and a half times; never earlier, so a tick more
        self._keep_alive = ticks(1.5 * admission.keep_alive) if admission.keep_alive else 0
        core.wheel.unwatch(self)
        if self._keep_alive:
            core.wheel.watch(self, core.wheel.now + self._keep_alive)
        self.outlet.put(welcome(admission, self.version, present=present))  # [MQTT-3.2.0-1]
        self.outlet.repeat()
        core.gate.connected(self)
        for held in list((session.subscriptions or {}).values()):
            if self.open:
                core.gate.subscribed(self, held.topic_filter)
        core.flush()
        self.proceed()

    # Going.

    def look(self, now: int) -> int | None:
        """The wheel's turn: end what has been silent for too long."""
        if self._stage is Stage.OVER:
            self._transport.abort()
        elif self._stage is not Stage.OPEN:
            self.refuse(b"")
        elif self._still:  # it is not read: its silence is ours
            self._heard = now
            return now + self._keep_alive
        elif now >= self._heard + self._keep_alive:
            self._end("keep_alive", ReasonCode.KEEP_ALIVE_TIMEOUT)
        else:
            return self._heard + self._keep_alive
        return None

    def _goodbye(self, packet: Disconnect) -> None:
        """DISCONNECT: without a will where all is well, and perhaps another session expiry
        (3.14.2.2.2).
        """
        session, expiry = self.session, packet.properties.session_expiry_interval
        if expiry is not None:
            if expiry and not session.expiry:  # 3.14.2.2.2
                raise ProtocolError(
                    "a session that ends with its connection cannot be kept at DISCONNECT"
                )
            self._core.sessions.keep(session, min(expiry, self._core.limits.session_expiry))
        if packet.reason_code == ReasonCode.NORMAL_DISCONNECTION:
            if self._will is not None:
                forget_will(self._core, session)
            self._will = None  # [MQTT-3.14.4-3]; any other code publishes it [MQTT-3.1.2-8]
        self._end("goodbye")

    def take_over(self) -> None:
        """The same client has connected again [MQTT-3.1.4-3]."""
        self._end("taken_over", ReasonCode.SESSION_TAKEN_OVER)

    def stop(self) -> None:
        """The broker stops."""
        self._end("stopped", ReasonCode.SERVER_SHUTTING_DOWN)

    def abort(self) -> None:
        """Let go of the transport, whatever it still has to write."""
        self._transport.abort()

    def close(self, error: GatewayError) -> None:
        code = (
            error.reason_code
            if error.reason_code in SERVER_DISCONNECT_CODES
            else ReasonCode.UNSPECIFIED_ERROR
        )
        self._end("cut_off", code)

    def _end(self, departure: Departure, code: int | None = None) -> None:
        """End the connection; the first reason counts."""
        stage, self._stage = self._stage, Stage.OVER
        if stage is Stage.OVER:
            return
        core = self._core
        core.strangers.discard(self)
        core.stalled.discard(self)
        if self in core.connections:
            core.connections.remove(self)
            core.seats.leave()
        self._chunks = None
        if stage is Stage.OPEN:
            self._leave(departure, code)
        else:
            self._greeting.end()
            del self._greeting
        if departure == "cut_off" and stage is Stage.OPEN:
            self._hang_up()
        else:
            self._transport.close()
        if departure != "lost":
            core.closing.add(self)
            core.wheel.watch(self, core.wheel.now + _GRACE)

    def _hang_up(self) -> None:
        """Close our direction, and let go of what still comes until the client has closed its own,
        or for `_GRACE`.

        To close at once on a client that is still sending resets the connection: it would not get
        its DISCONNECT.
        """
        transport = self._transport
        if transport.is_closing() or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        if self._still:
            transport.resume_reading()

    def _leave(self, departure: Departure, code: int | None) -> None:
        core, session = self._core, self.session
        if code is not None and self.version == 5:
            self.outlet.put(encode(Disconnect(code), 5))
        self.outlet.flush()
        self.outlet.end()
        session.outlet = session.connection = None
        if session.exchange is not None:
            session.exchange.part()
        if self._will is not None:
            leave_will(core, self, self._will)
        core.gate.disconnected(self, departure)
        core.sessions.leave(session)

    # The gate's side.

    def send(self, message: Message, delivered: Done, refused: Told | None = None) -> Sent | None:
        """Send to this client alone; see the port."""
        granted = [
            held.qos
            for held in (self.session.subscriptions or {}).values()
            if held.group is None
            and held.text not in self.unannounced
            and covers(held.topic_filter, message.topic)
        ]
        if not self.open or not granted:
            return None
        sent = self.outlet.address(message, min(message.qos, max(granted), 1), delivered, refused)
        self._core.flush()
        return sent

    def forget(self) -> None:
        """Drop what is cached of the gate's answers."""
        self._inlet.forget()
