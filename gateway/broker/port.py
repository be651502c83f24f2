"""The port between the gateway and what carries MQTT.

An engine implements `Broker` and calls a `Gate`. The engine knows MQTT; the gate knows devices,
permissions and frames. How a message passes, whatever the engine:

1. The engine asks `gate.publishing(identity, topic)` once per sender and topic, and keeps the
   `Target`.
2. It hands what one read of a socket brought to `gate.receive(messages, done, journal)`, a plain
   call.
3. The gate translates, the intake commits frames and journal in one transaction, the hub shows the
   frames to listeners; then `done()` runs on the event loop. Only in `done` does the engine deliver
   to MQTT subscribers and acknowledge. If nothing needs to be stored, `done()` runs at once, inside
   the call.
4. While the intake is full it has called `broker.pause()`: the engine reads no socket until
   `resume()`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    import asyncio

    from gateway.errors import GatewayError
    from gateway.frames import Entry
    from gateway.store.facts import Fact

Departure: TypeAlias = Literal["goodbye", "keep_alive", "lost", "taken_over", "cut_off", "stopped"]
"""Why a connection ended: DISCONNECT, keep-alive passed, socket lost, same client again, cut off,
gateway stops.
"""

Done: TypeAlias = Callable[[], None]

Told: TypeAlias = Callable[[str], None]
"""Is told why something was not taken."""

Sent: TypeAlias = Literal["acknowledged", "unacknowledged"]
"""How a message left: with QoS 1, or with QoS 0, where nobody will tell whether it arrived."""


class Identity(Protocol):
    """Who signed in.

    `key` names the principal for ever (`device:kitchen`, `user:7`): sessions are keyed by it.
    `owner`: the user that it acts for, or None. Shared subscriptions divide their messages among
    the principals of one owner.
    """

    @property
    def key(self) -> str: ...
    @property
    def owner(self) -> int | None: ...


class Credentials(msgspec.Struct, frozen=True):
    """What a CONNECT offers. `address` is the peer's IP address, `certificate` the name in its
    client certificate.
    """

    username: str | None
    password: bytes | None
    client_id: str
    address: str = ""
    certificate: str | None = None


class Target(msgspec.Struct):
    """What the gateway makes of one sender's messages on one topic.

    `records`: they must be stored before they are shown. `carried`: the engine hands them to
    subscribers; if not, they are for the gateway alone, as commands are, which it sends itself, and
    once. `retain`: overrides the message's retain flag where a route says so. `translate(payload,
    now, message)` gives the entries to store, `now` in ms since 1970 UTC; only the gate calls it.
    """

    records: bool
    retain: bool | None = None
    carried: bool = True
    translate: Callable[[bytes, int, Message], Sequence[Entry]] | None = None


class Room(NamedTuple):
    """What a client may have beyond everybody: bytes of a packet, and subscriptions."""

    packet_size: int = 0
    subscriptions: int = 0


class Properties(msgspec.Struct, frozen=True, gc=False):
    """The MQTT 5 properties that travel with a message from publisher to subscriber (section
    3.3.2.3).
    """

    payload_format: int | None = None
    message_expiry: int | None = None  # seconds
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user: tuple[tuple[str, str], ...] = ()


class Message(msgspec.Struct, gc=False):
    """An MQTT publication on its way through the gateway."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    target: Target | None = None
    properties: Properties | None = None
    origin: Connection | None = None  # None: the gateway itself


class Connection(Protocol):
    """One signed-in MQTT network connection."""

    @property
    def identity(self) -> Identity: ...
    @property
    def client_id(self) -> str: ...
    @property
    def address(self) -> str: ...

    def send(self, message: Message, delivered: Done, refused: Told | None = None) -> Sent | None:
        """Send to this connection alone, if one of its subscriptions matches the topic.

        Answers how it was sent, None where it was not. With QoS 1 `delivered` runs at the client's
        PUBACK, `refused` where that says no or the message is larger than the client takes. Nothing
        is kept for later: when the connection ends first, neither runs and the caller sends again.
        """

    def close(self, error: GatewayError) -> None:
        """Cut the connection off: MQTT 5 clients get DISCONNECT with the error's reason code; the
        will is sent.
        """


class Gate(Protocol):
    """What an engine asks of the gateway. Every method is a plain call and returns at once."""

    def sign_in(self, credentials: Credentials) -> Identity:
        """Return who this is, or raise `Unauthenticated` (hold the refusal back for its `delay`
        seconds).
        """

    def known(self, key: str) -> Identity | None:
        """Return the client with this key as if signed in now, or None; for state from before a
        restart.
        """

    def introduced(
        self, identity: Identity, client_id: str, will: tuple[str, bytes] | None
    ) -> None:
        """A client has signed in; `will` is the topic and payload of its will. Called before it is
        asked whether that may be published.
        """

    def room(self, identity: Identity) -> Room:
        """Return what a client may have beyond the engine's limits."""

    def publishing(self, identity: Identity, topic: str) -> Target | None:
        """Return what becomes of messages on this topic, or None where the identity may not publish
        there.
        """

    def subscribing(self, identity: Identity, topic_filter: str) -> bool:
        """Tell whether the identity may hold this subscription (a `$share` prefix is taken off
        before).
        """

    def receiving(self, identity: Identity, topic: str) -> bool:
        """Tell whether a subscriber with a wildcard may see this very topic; the engine caches the
        answer.
        """

    def payer(self, topic: str) -> str | int:
        """Return for whom what is retained on a topic is counted: the number of a user, or the name
        of what belongs to none.
        """

    def receive(
        self, messages: Sequence[Message], done: Done, journal: Sequence[Fact] = ()
    ) -> None:
        """Take in messages, in order; see the module's docstring."""

    def connected(self, connection: Connection) -> None:
        """A client is signed in; called before any message of it is received."""

    def subscribed(self, connection: Connection, topic_filter: str) -> None:
        """A subscription is active and its SUBACK is on its way: what waits for the device can go
        out.
        """

    def disconnected(self, connection: Connection, reason: Departure) -> None:
        """The connection has ended; called after its will, if due at once, was received.

        With `taken_over` the new connection of the same client was told of before.
        """


class Broker(Protocol):
    """An engine."""

    async def start(self) -> None:
        """Listen; raises `OSError` where a port cannot be had."""

    def quiet(self) -> None:
        """Before a stop: let nobody in and take in no more. What was taken in is acknowledged when
        it is stored.
        """

    async def stop(self) -> None:
        """Disconnect every client (reason 0x8B) and close the sockets. What is accepted stays
        accepted.
        """

    @property
    def ports(self) -> dict[str, int]:
        """The bound port of each listener: `{"mqtt": 1883, "mqtts": 8883}`."""

    def accept(self) -> asyncio.Protocol:
        """Return the protocol of one more client, whose transport another listener made: MQTT over
        WebSocket.

        Raises `Unavailable` where clients connect elsewhere.
        """

    def publish(self, message: Message) -> None:
        """Publish as the gateway itself, to subscribers with a permitted subscription; it makes no
        frame.
        """

    def connections(self) -> Iterable[Connection]:
        """Every signed-in connection."""

    def forget(self) -> None:
        """Permissions have changed: drop every cached answer of the gate and end subscriptions now
        refused.
        """

    def purge(self, keys: Collection[str], owns: Callable[[str], bool] | None = None) -> None:
        """Identities are gone for good: end their sessions. Nothing on topics that `owns` is kept,
        retained or waiting for anybody.

        A later identity of the same key, which may be somebody else's, finds nothing of it.
        """

    def pause(self) -> None:
        """Read from no socket until `resume`."""

    def resume(self) -> None:
        """Read again."""

    def statistics(self) -> dict[str, int]:
        """Counters and gauges by name, for `/metrics` and `$SYS`: `messages_received`,
        `messages_dropped`, ...
        """
