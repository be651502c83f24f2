"""One session's outgoing messages, against a model of the client that acknowledges them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.amqtt.outbox import Outbox
from gateway.broker.port import Message

WINDOW, LIMIT = 3, 5
STEPS = st.lists(st.sampled_from(["put", "acknowledge", "detach", "attach"]), max_size=60)


class Client:
    """Stands in for the writer: keeps (packet id, payload, dup) of what it is sent."""

    def __init__(self) -> None:
        self.full = False
        self.pending: list[tuple[int, bytes]] = []
        self.seen: list[bytes] = []

    def write(self, data: bytes) -> None:
        packet_id, payload = int.from_bytes(data[5:7], "big"), data[7:]
        self.pending.append((packet_id, payload))
        if not data[0] & 0x08:
            self.seen.append(payload)


@given(STEPS)
def test_every_message_is_delivered_in_order_or_counted_as_dropped(steps: list[str]) -> None:
    """However connections come and go, QoS 1 arrives once without DUP, in order, within the
    bounds.
    """
    statistics: Counter[str] = Counter()
    outbox, client = Outbox(WINDOW, LIMIT, statistics), Client()
    accepted: list[bytes] = []
    online = False
    for number, step in enumerate(steps):
        if step == "put":
            before = statistics["messages_dropped"]
            outbox.put(Message("t", number.to_bytes(2, "big"), 1), 1)
            if statistics["messages_dropped"] == before:
                accepted.append(number.to_bytes(2, "big"))
        elif step == "acknowledge" and online and client.pending:
            outbox.acknowledge(client.pending.pop(0)[0])
        elif step == "detach":
            outbox.detach()
            client.pending.clear()
            online = False
        elif step == "attach" and not online:
            outbox.attach(_as_writer(client))
            online = True
        assert len(outbox) <= WINDOW + LIMIT
        assert len(client.pending) <= WINDOW
    if not online:
        outbox.attach(_as_writer(client))
    while client.pending:
        outbox.acknowledge(client.pending.pop(0)[0])
    assert client.seen == accepted
    assert len(outbox) == 0


def test_a_late_puback_is_ignored() -> None:
    """A PUBACK for nothing in flight changes nothing."""
    outbox = Outbox(WINDOW, LIMIT, Counter())
    outbox.acknowledge(7)
    assert len(outbox) == 0


def test_send_refuses_where_there_is_no_room() -> None:
    """Without a connection, with a full buffer, or with all in flight, `send` says no and keeps
    nothing.
    """
    outbox, client = Outbox(1, 1, Counter()), Client()
    message = Message("t", b"", 1)
    assert not outbox.send(message, 1, lambda: None)
    outbox.attach(_as_writer(client))
    client.full = True
    assert not outbox.send(message, 1, lambda: None)
    client.full = False
    assert outbox.send(message, 1, lambda: None)
    assert outbox.send(message, 1, lambda: None)
    assert not outbox.send(message, 1, lambda: None)
    outbox.detach()
    assert len(outbox) == 0


async def test_qos_0_is_sent_and_never_delivered() -> None:
    """Where the subscription has QoS 0 there is no PUBACK: nobody can say that it was delivered."""
    outbox = Outbox(WINDOW, LIMIT, Counter())
    outbox.attach(_as_writer(Client()))
    assert (
        outbox.send(Message("t", b"", 1), 0, lambda: pytest.fail("delivered")) == "unacknowledged"
    )
    assert len(outbox) == 0
    await asyncio.sleep(0)


def _as_writer(client: Client) -> Any:
    return client
