"""The queues of all devices: bounds, replies that find their command, and expiry."""

from __future__ import annotations

import pytest

from gateway.commands import queues as module
from gateway.commands.queue import Events
from gateway.commands.queues import CommandQueues
from gateway.errors import TooMany
from gateway.store.commands import Command
from tests.rig import START, FakeLink


def command(number: int, device: str = "kitchen", lasts: int = 10) -> Command:
    """Return a command that was sent, with its number as id and value."""
    return Command(
        id=str(number),
        device=device,
        name="led",
        value=str(number),
        state="sent",
        created=START,
        expires=START + lasts,
        changed=START,
        sender="user:1",
    )


def nothing(*_: object) -> None:
    """Hear of a command, and do nothing."""


@pytest.fixture
def link() -> FakeLink:
    """The kitchen's link."""
    return FakeLink()


@pytest.fixture
def queues(link: FakeLink) -> CommandQueues:
    """No queue yet."""
    events = Events(nothing, nothing, nothing, nothing)
    return CommandQueues(events, {"kitchen": [link]}.get)  # type: ignore[arg-type]


def test_room(queues: CommandQueues, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device's queue has a bound in commands and one in bytes; others are not concerned."""
    monkeypatch.setattr(module, "MAX_OPEN", 2)
    monkeypatch.setattr(module, "MAX_OPEN_BYTES", 10)
    queues.add(command(1), stored=True)
    queues.demand_room("kitchen", 9)
    with pytest.raises(TooMany, match="1 commands wait for kitchen"):
        queues.demand_room("kitchen", 10)
    queues.add(command(2), stored=True)
    with pytest.raises(TooMany):
        queues.demand_room("kitchen", 0)
    queues.demand_room("hall", 10)


def test_only_a_device_with_links_is_sent_to(queues: CommandQueues, link: FakeLink) -> None:
    """Others wait."""
    for number, device in enumerate(("kitchen", "hall")):
        queues.add(command(number, device), stored=True)
        queues.pump(device)
    assert link.values == [0]
    assert list(queues) == ["kitchen", "hall"]


@pytest.mark.parametrize(
    ("correlation", "found"), [(None, "1"), (b"2", "2"), (b"9", None), (b"\xff", None)]
)
def test_what_a_reply_answers(
    queues: CommandQueues, correlation: bytes | None, found: str | None
) -> None:
    """The one of its correlation, or else the oldest of its name; a foreign one answers nothing."""
    queues.add(command(1), stored=True)
    queues.add(command(2), stored=True)
    answered = queues.answered("kitchen", "led", correlation)
    assert (answered and answered.id) == found
    assert queues.answered("hall", "led", correlation) is None


def test_expiry(queues: CommandQueues) -> None:
    """Each id is told once when its time is over, the earliest first; none of what is gone."""
    for number, lasts in enumerate((30, 20, 10)):
        queues.add(command(number, lasts=lasts), stored=True)
    queues.let_go(command(1))
    assert queues.expired(START + 9) == []
    assert queues.expired(START + 30) == ["2", "0"]
    assert queues.expired(START + 30) == []


def test_an_empty_queue_is_forgotten(queues: CommandQueues) -> None:
    """Devices without unfinished commands cost nothing."""
    queues.add(command(1), stored=True)
    queues.take_out(command(1))
    assert list(queues) == ["kitchen"]
    queues.let_go(command(1))
    assert list(queues) == []


def test_a_dropped_queue(queues: CommandQueues) -> None:
    """All that was in it is told, what waited and what was unanswered."""
    queues.add(command(1), stored=True)
    queues.await_reply(command(1))
    queues.add(command(2), stored=True)
    assert [each.id for each in queues.drop("kitchen")] == ["2", "1"]
    assert (queues.drop("kitchen"), queues.open("kitchen")) == ([], [])
