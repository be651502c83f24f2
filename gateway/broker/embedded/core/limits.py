"""The bounds of the broker, one for each queue, cache and count; and what it counts."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds in the standard's units; what happens when one is reached stands behind it."""

    connections: int = 10_000  # signed in; more are refused with 0x89
    connections_each: int = 1_000  # of one device, token or user; more are refused with 0x89
    # Connections before their sign-in; the oldest of the most crowded address goes for a new one.
    strangers: int = 2_000
    strangers_bytes: int = 8 << 20  # of their CONNECTs; then only those within 8 KB are waited for
    packet_size: int = 256 * 1024  # bytes; a longer packet ends its connection with 0x95
    connect_size: int = 72 * 1024  # bytes of a CONNECT: a stranger can make us hold no more
    messages_per_second: float = (
        0.0  # per identity, 0 for no limit; above it the socket is read later
    )
    connect_seconds: int = 10  # from the connection to the complete CONNECT
    keep_alive: int = (
        0  # seconds; MQTT 5 clients that ask for longer or none are told this; 0: theirs holds
    )
    # inbound QoS 1 and 2 in flight; an MQTT 5 client that sends more is cut off with 0x93
    receive_maximum: int = 1_024
    topic_aliases: int = 32  # inbound, each connection
    publications: int = 256  # cached topics, each connection; the cache is dropped
    in_flight: int = 100  # outbound QoS 1 and 2, each session; the rest waits
    queue: int = 10_000  # deliveries that wait, each session; the oldest is dropped and counted
    # Bytes that these take in memory, in a session, for one user, and in all; the same.
    queue_bytes: int = 8 << 20
    queue_bytes_user: int = 128 << 20
    queue_bytes_all: int = 1 << 30
    # Bytes that a client has not read: then QoS 0 is dropped and counted, QoS 1 and 2 wait.
    write_buffer: int = 1 << 20
    answer_buffer: int = 2 << 20  # the same: then its socket is not read
    subscriptions: int = 1_000  # each session; SUBACK 0x97
    # Bytes that their filters take in memory, in a session, for one user, and in all; the same.
    subscription_size: int = 2 << 20
    subscription_size_user: int = 64 << 20
    subscription_size_all: int = 512 << 20
    sessions: int = 100  # without a connection, each identity; the one that left first ends
    session_expiry: int = 7 * 86_400  # seconds; the longest a session is kept
    retained: int = 100_000  # topics; a further one is not retained, and counted as dropped
    # Bytes that these take in memory, for one user or device of nobody, and in all; the same.
    retained_bytes_user: int = 32 << 20
    retained_bytes: int = 128 << 20


class Counters(msgspec.Struct):
    """Counts since the start; `messages` are PUBLISH packets, `dropped` those that a subscriber
    never got.
    """

    bytes_received: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    messages_dropped: int = (
        0  # a full queue, a subscriber that does not read, or too large for the client
    )
    messages_expired: int = 0
    messages_refused: int = 0  # not permitted to the sender
    connections_refused: int = 0
    protocol_errors: int = 0
    connects: int = 0
