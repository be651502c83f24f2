"""One device's queue: order, the window, names that are not listened to, and links that change."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.queue import MAX_UNANSWERED, WINDOW, CommandQueue, Events
from gateway.errors import TooLarge
from gateway.store.commands import Command
from tests.rig import START, FakeLink


def command(number: int, name: str = "led") -> Command:
    """Return a queued command whose id and value are its number."""
    plain: dict[str, Any] = {"created": START, "expires": START + 1, "changed": START}
    return Command(
        id=str(number),
        device="kitchen",
        name=name,
        value=str(number),
        state="queued",
        sender="user:1",
        **plain,
    )


class Told:
    """What a queue has told of its commands."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []
        self.queue = CommandQueue(Events(self.sent, self.delivered, self.handed, self.failed))

    def sent(self, command: Command) -> None:
        """It left."""
        command.state = "sent"
        self.events.append(("sent", command.id))

    def delivered(self, command: Command) -> None:
        """It is acknowledged."""
        self.events.append(("delivered", command.id))
        self.queue.await_reply(command)

    def handed(self, command: Command) -> None:
        """It left, and nobody will acknowledge it."""
        self.events.append(("handed over", command.id))
        self.queue.await_reply(command)

    def failed(self, command: Command, why: str) -> None:
        """It can never be sent."""
        self.events.append(("failed", command.id, why))
        self.queue.take_out(command)

    def add(self, *commands: Command) -> None:
        """Add stored commands."""
        for each in commands:
            self.queue.add(each, stored=True)


@pytest.fixture
def told() -> Told:
    """An empty queue."""
    return Told()


def test_in_order_up_to_the_window(told: Told) -> None:
    """So many are under way; an acknowledgement lets the next one leave."""
    told.add(*map(command, range(WINDOW + 2)))
    link = FakeLink()
    told.queue.pump([link])
    assert link.values == list(range(WINDOW))
    link.acknowledge()
    told.queue.pump([link])
    assert link.values == list(range(WINDOW + 1))


def test_nothing_passes_what_is_not_stored(told: Told) -> None:
    """A command that is stored waits for the one before it that is not yet."""
    first, second = command(1), command(2)
    told.queue.add(first, stored=False)
    told.add(second)
    link = FakeLink()
    told.queue.pump([link])
    assert link.values == []
    told.queue.stored(first)
    told.queue.pump([link])
    assert link.values == [1, 2]


def test_a_name_that_is_not_listened_to_holds_up_no_other(told: Told) -> None:
    """It waits; others leave."""
    link = FakeLink()
    link.deaf = {"led"}
    told.add(command(1), command(2, "fan"), command(3))
    told.queue.pump([link])
    assert link.values == [2]


def test_a_new_link_gets_what_an_old_one_did_not_deliver(told: Told) -> None:
    """All that is unacknowledged goes again, in order."""
    old, new = FakeLink(), FakeLink()
    told.add(command(1), command(2))
    told.queue.pump([old])
    old.acknowledge()
    told.queue.renew([new, old])
    told.queue.pump([new, old])
    assert (old.values, new.values) == ([1, 2], [2])


def test_a_refusal_for_good(told: Told) -> None:
    """What can never be sent has failed, with the reason, and the next one is tried."""
    link = FakeLink()
    link.refuses = TooLarge("too large for it")
    told.add(command(1))
    told.queue.pump([link])
    assert told.events == [("failed", "1", "too large for it")]
    assert told.queue.idle


def test_unacknowledged_links(told: Told) -> None:
    """Where nobody acknowledges a command waits for its reply at once."""
    told.add(command(1))
    told.queue.pump([FakeLink(acknowledges=False)])
    assert told.events == [("sent", "1"), ("handed over", "1")]
    assert (told.queue.answered_by("led") or command(0)).id == "1"
    assert told.queue.answered_by("fan") is None


def test_the_oldest_unanswered_is_given_up() -> None:
    """There is a bound on what may yet be answered."""
    queue = Told().queue
    given_up = [queue.await_reply(command(number)) for number in range(MAX_UNANSWERED + 1)]
    assert given_up[:-1] == [None] * MAX_UNANSWERED
    assert given_up[-1] is not None
    assert given_up[-1].id == "0"


def test_its_size(told: Told) -> None:
    """It counts the values that wait."""
    told.add(command(1), command(22))
    assert told.queue.size == 3
    told.queue.take_out(command(22))
    told.queue.take_out(command(22))
    assert told.queue.size == 1
