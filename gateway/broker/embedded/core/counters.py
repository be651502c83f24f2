"""What the broker counts, for `/metrics` and `$SYS`."""

from __future__ import annotations

import msgspec


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
