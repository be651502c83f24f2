"""One network connection of a client as a machine, from its first byte to its last.

A shell feeds it what it reads, and does what `Wire` asks. The three states: a stranger, whose
CONNECT is not answered; open; over.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, cast

from gateway.broker.embedded.codec.decode import UNKNOWN_VERSION, decode
from gateway.broker.embedded.codec.encode import encode
from gateway.broker.embedded.codec.packets import Disconnect
from gateway.broker.embedded.codec.reasons import SERVER_DISCONNECT_CODES, ReasonCode
from gateway.broker.embedded.core.handshake import Refused, complaint, refusal, welcome
from gateway.broker.embedded.core.inlet import lacking
from gateway.broker.embedded.core.outlet import Outlet
from gateway.broker.embedded.core.peer import Peer
from gateway.broker.embedded.core.wheel import ticks
from gateway.errors import GatewayError, ProtocolError
from gateway.topics import covers

if TYPE_CHECKING:
    from gateway.broker import port
    from gateway.broker.embedded.codec.packets import Connect
    from gateway.broker.embedded.core.broker import Broker
    from gateway.broker.embedded.core.handshake import Address, Admission
    from gateway.broker.embedded.core.inlet import Inlet
    from gateway.broker.embedded.core.pending import Pending
    from gateway.broker.embedded.core.wire import Wire
    from gateway.broker.port import Departure, Done, Identity, Message, Sent, Told

_PAUSE: Final = 0.1  # seconds: the shortest wait of a client that sends too fast
_GRACE: Final = ticks(5)  # how long a closed connection may take to read what it was sent


class Stage(enum.IntEnum):
    """How far a connection has come."""

    GREETING = 0  # not let in yet
    OPEN = 1
    OVER = 2


class Greeting:
    """What is needed until a client is let in or refused.

    `answering`: its CONNECT was read; the answer waits for a commit, or is held back.
    `answer`: the refusal that is held back.
    `replaced`: the connection of the same client that this one has taken over.
    """

    __slots__ = ("address", "answer", "answering", "replaced")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.answering = False
        self.answer = b""
        self.replaced: port.Connection | None = None


class Client:
    """A client of one connection; it is the gate's `port.Connection`.

    `address`: its IP address.
    `heard`: the tick in which it last sent anything.
    `missing`: how many bytes an incomplete packet still needs, 0 if unknown.
    `wait`: seconds for which it is not read, as it sends faster than it may; the shell sets it
    back.
    `peer`: what its packets need, from when its CONNECT is accepted.
    """

    __slots__ = (
        "_broker", "_greeting", "_inlet", "_keep_alive", "_stage", "address", "heard", "missing",
        "peer",
        "tick", "wait", "wire",
    )  # fmt: skip

    _greeting: Greeting
    _inlet: Inlet
    peer: Peer

    def __init__(self, broker: Broker, wire: Wire, address: Address) -> None:
        self._broker = broker
        self.wire = wire
        self._stage = Stage.GREETING
        self._greeting = Greeting(address)
        self._keep_alive = 0  # in ticks, with the half on top
        self.address = address.ip
        self.missing = 0
        self.wait = 0.0
        self.heard = broker.wheel.now
        self.tick = -1
        broker.wheel.watch(self, self.heard + ticks(broker.shared.limits.connect_seconds))

    @property
    def identity(self) -> Identity:
        return self.peer.session.identity

    @property
    def client_id(self) -> str:
        return self.peer.session.client_id

    @property
    def open(self) -> bool:
        """It is let in, and the connection has not ended."""
        return self._stage is Stage.OPEN

    @property
    def over(self) -> bool:
        """Nothing more is read."""
        return self._stage is Stage.OVER

    @property
    def reads(self) -> bool:
        """Packets are handled now; if not, the shell leaves the rest to the socket."""
        if self._broker.paused or self.wait:
            return False
        if self._stage is Stage.OPEN:
            return not (self.peer.outlet.blocked and self.peer.outlet.choked)
        return self._stage is Stage.GREETING and not self._greeting.answering

    # The shell's side.

    def feed(self, data: bytes, position: int) -> int:
        """Handle the packets in `data`; return the position after the last that was handled."""
        end = len(data)
        self.missing = 0
        try:
            while position < end and self.reads:
                before = position
                handle = self._packets if self._stage is Stage.OPEN else self._greet
                position = handle(data, position)
                if position == before:
                    break
        except GatewayError as error:  # a ProtocolError of the codec, or InvalidTopic
            self._broker.shared.counters.protocol_errors += 1
            self.close(error)
        return position

    def blocked(self) -> None:
        """The client reads slower than it is sent to."""
        if self._stage is Stage.OPEN:
            self.peer.outlet.blocked = True

    def unblocked(self) -> None:
        """The client has read."""
        if self._stage is Stage.OPEN:
            self.peer.outlet.blocked = False
            self.peer.session.resume()

    def lost(self) -> None:
        """The connection is gone, or was over before."""
        self._broker.wheel.unwatch(self)
        self._end("lost")

    def due(self, now: int) -> int | None:
        """The wheel's turn: end what has been silent for too long."""
        if self._stage is Stage.OVER:
            self.wire.abort()
        elif self._stage is Stage.GREETING:
            self.turn_away(self._greeting.answer)
        elif self._broker.paused or self.wait:  # its silence is ours
            self.heard = now
            return now + self._keep_alive
        elif now >= self.heard + self._keep_alive:
            self._end("keep_alive", ReasonCode.KEEP_ALIVE_TIMEOUT)
        else:
            return self.heard + self._keep_alive
        return None

    # Coming in (3.1, 3.2).

    def _greet(self, data: bytes, start: int) -> int:
        """Answer the CONNECT, once it is complete; return the position after what was read."""
        limits = self._broker.shared.limits
        largest = min(limits.packet_size, limits.connect_size)
        try:
            found = decode(data, start, UNKNOWN_VERSION, largest)
        except ProtocolError as error:
            self.turn_away(complaint(error, data, start))
            return len(data)
        if found is None:
            self.missing = lacking(data, start, largest)
            return start
        self._greeting.answering = True
        self._answer(cast("Connect", found[0]))
        return found[1]

    def _answer(self, packet: Connect) -> None:
        try:
            admission = self._broker.admit(packet, self._greeting.address)
        except Refused as refused:
            most = packet.properties.maximum_packet_size
            answer = refusal(refused.reason_code, packet.protocol_level, most)
            self._refuse_after(answer, refused.delay)
        else:
            self._let_in(admission, packet.protocol_level)

    def _refuse_after(self, answer: bytes, delay: float) -> None:
        if delay > 0:
            self._greeting.answer = answer
            self._broker.wheel.watch(self, self._broker.wheel.now + ticks(delay))
        else:
            self.turn_away(answer)

    def turn_away(self, answer: bytes = b"") -> None:
        """Refuse the client, with an answer or without a word."""
        self._broker.shared.counters.connections_refused += 1
        if answer:
            self.wire.sink.write(answer)
        self._end("cut_off")

    def _let_in(self, admission: Admission, version: int) -> None:
        """Give the client its session; what changes is stored before the client is told."""
        broker = self._broker
        session, present, self._greeting.replaced = broker.enter(self, admission)
        outlet = Outlet(
            broker.shared, self.wire.sink, mqtt5=version == 5, largest=admission.largest,
            window=admission.window, aliases=admission.aliases,
        )  # fmt: skip
        self.peer = Peer(self, session, outlet, version, admission.will, admission.packet_size)
        pending = broker.pending(self.peer)
        pending.then.append(lambda: self._welcome(admission, present=present))
        pending.commit()

    def _welcome(self, admission: Admission, *, present: bool) -> None:
        """Let the client in: its session is stored."""
        if self._stage is not Stage.GREETING:  # it was lost meanwhile
            return
        broker, peer = self._broker, self.peer
        self._stage = Stage.OPEN
        replaced = self._greeting.replaced
        del self._greeting
        broker.shared.counters.connects += 1
        peer.open = True
        self._inlet = broker.inlet(peer)
        self._watch(admission.keep_alive)
        peer.outlet.put(welcome(admission, peer.version, present=present))  # [MQTT-3.2.0-1]
        peer.session.attach(peer.outlet)
        self._announce(replaced)
        broker.shared.flush()
        self.wire.let_in()

    def _watch(self, keep_alive: int) -> None:
        # [MQTT-3.1.2-22] one and a half times; never earlier, so a tick more
        wheel = self._broker.wheel
        wheel.unwatch(self)
        self._keep_alive = ticks(1.5 * keep_alive) if keep_alive else 0
        if self._keep_alive:
            wheel.watch(self, wheel.now + self._keep_alive)

    def _announce(self, replaced: port.Connection | None) -> None:
        """Tell the gate who is here, whom it replaces, and what is subscribed to already."""
        gate, session = self._broker.shared.gate, self.peer.session
        gate.connected(self)
        if replaced is not None:
            gate.disconnected(replaced, "taken_over")
        for held in list((session.subscriptions or {}).values()):
            if self.open:
                gate.subscribed(self, held.topic_filter)

    # Open.

    def _packets(self, data: bytes, start: int) -> int:
        """Handle packets up to the next that must be committed before others; return the position
        after them.
        """
        broker, peer = self._broker, self.peer
        pending = broker.pending(peer)
        try:
            position = self._inlet.parse(data, start, pending, broker.allowance(peer))
        finally:
            # What came before a broken packet is accepted.
            if pending.messages or pending.answers or pending.then or broker.shared.journal:
                self._commit(pending)
        self.missing = self._inlet.missing
        if pending.farewell is not None and peer.open:
            self._goodbye(pending.farewell)
        return position

    def _commit(self, pending: Pending) -> None:
        wait = self._broker.spend(self.peer, len(pending.messages))
        self.peer.outlet.unanswered += pending.open
        pending.commit()
        if wait > 0:
            self.wait = max(wait, _PAUSE)

    # Going.

    def _goodbye(self, packet: Disconnect) -> None:
        """DISCONNECT: without a will where all is well, and perhaps another session expiry
        (3.14.2.2.2).
        """
        broker, session = self._broker, self.peer.session
        expiry = packet.properties.session_expiry_interval
        if expiry is not None:
            if expiry and not session.expiry:  # 3.14.2.2.2
                raise ProtocolError(
                    "a session that ends with its connection cannot be kept at DISCONNECT"
                )
            broker.sessions.keep(session, min(expiry, broker.shared.limits.session_expiry))
        if packet.reason_code == ReasonCode.NORMAL_DISCONNECTION:
            if self.peer.will is not None:
                broker.wills.forget(session)
            self.peer.will = None  # [MQTT-3.14.4-3]; any other code publishes it [MQTT-3.1.2-8]
        self._end("goodbye")

    def take_over(self) -> port.Connection | None:
        """The same client has connected again [MQTT-3.1.4-3]; see `Broker.enter`."""
        known: port.Connection | None = self
        if self._stage is Stage.GREETING:
            known, self._greeting.replaced = self._greeting.replaced, None
        self._end("taken_over", ReasonCode.SESSION_TAKEN_OVER)
        return known

    def stop(self) -> None:
        """The broker stops."""
        self._end("stopped", ReasonCode.SERVER_SHUTTING_DOWN)

    def close(self, error: GatewayError) -> None:
        """Cut the client off; see the port."""
        known = error.reason_code in SERVER_DISCONNECT_CODES
        self._end("cut_off", error.reason_code if known else ReasonCode.UNSPECIFIED_ERROR)

    def _end(self, departure: Departure, code: int | None = None) -> None:
        """End the connection; the first reason counts."""
        stage, self._stage = self._stage, Stage.OVER
        if stage is Stage.OVER:
            return
        if stage is Stage.OPEN:
            self._leave(departure, code)
        else:
            self._go_unseen()
        if departure != "lost":
            wheel = self._broker.wheel
            wheel.watch(self, wheel.now + _GRACE)
        self.wire.over(departure, hang_up=departure == "cut_off" and stage is Stage.OPEN)

    def _go_unseen(self) -> None:
        """The connection ends before it was let in."""
        replaced = self._greeting.replaced
        del self._greeting
        if hasattr(self, "peer"):
            self._broker.withdraw(self.peer.session)
        if replaced is not None:
            self._broker.shared.gate.disconnected(replaced, "taken_over")

    def _leave(self, departure: Departure, code: int | None) -> None:
        peer = self.peer
        peer.open = False
        if code is not None and peer.version == 5:
            peer.outlet.put(encode(Disconnect(code), 5))
        peer.outlet.flush()
        peer.outlet.end()
        self._broker.leave(peer, departure)

    # The gate's side.

    def send(self, message: Message, delivered: Done, refused: Told | None = None) -> Sent | None:
        """Send to this client alone; see the port."""
        if not self.open:
            return None
        peer = self.peer
        granted = [
            held.qos
            for held in (peer.session.subscriptions or {}).values()
            if held.group is None
            and held.text not in peer.unannounced
            and covers(held.topic_filter, message.topic)
        ]
        if not granted:
            return None
        qos = min(message.qos, max(granted), 1)
        sent = peer.session.send_to_this_client(message, qos, delivered, refused)
        self._broker.shared.flush()
        return sent

    def forget(self) -> None:
        """Drop what is cached of the gate's answers."""
        self._inlet.forget()
