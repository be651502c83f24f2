"""Asking: the policy, the command, the note of it, in this order."""

import pytest

from gateway.access.principal import Principal
from gateway.asking import Asking
from gateway.errors import Forbidden, TooLarge
from tests import rig as rigs

ANN = Principal(key="user:1", name="ann", owner=1, scope="admin")


class Policy:
    """Lets nobody command `hall`."""

    def demand(self, principal, action, subject):
        if subject == "hall":
            raise Forbidden(f"{principal.name} may not {action.value} {subject}")


class Journal:
    """Keeps what is noted."""

    def __init__(self):
        self.notes = []

    def note(self, actor, action, object_, address="", **detail):
        self.notes.append((actor, action, object_, address, detail))


@pytest.fixture
async def rig(tmp_path):
    """A running core."""
    async with rigs.running(tmp_path / "gateway.db") as running:
        yield running


async def test_a_command_that_was_sent_is_noted(rig):
    """Once, with its id and where it came from."""
    journal = Journal()
    asking = Asking(Policy(), rig.commands, journal)
    command = await asking.send(ANN, "kitchen", "led", "1", address="10.0.0.7")
    assert (await rig.commands.get(command.id)).sender == "user:1"
    about = {"name": "led", "id": command.id}
    assert journal.notes == [("user:1", "command", "device:kitchen", "10.0.0.7", about)]


@pytest.mark.parametrize(
    ("device", "value", "error"),
    [("hall", "1", Forbidden), ("kitchen", "1" * 300_000, TooLarge)],
)
async def test_what_was_refused_is_not_noted_as_sent(rig, device, value, error):
    """Neither what the principal may not nor what the queue does not take."""
    journal = Journal()
    asking = Asking(Policy(), rig.commands, journal)
    with pytest.raises(error):
        await asking.send(ANN, device, "led", value)
    assert journal.notes == []
    assert rig.commands.waiting(device) == 0


async def test_who_may_command_may_cancel(rig):
    """It is noted, once; whoever may not command the device cancels nothing."""
    journal = Journal()
    asking = Asking(Policy(), rig.commands, journal)
    command = await rig.commands.send("kitchen", "led", "1", sender="user:2")
    other = await rig.commands.send("hall", "led", "1", sender="user:2")
    assert (await asking.cancel(ANN, command, "10.0.0.7")).state == "failed"
    about = {"name": "led", "id": command.id}
    assert journal.notes == [("user:1", "cancel", "device:kitchen", "10.0.0.7", about)]
    with pytest.raises(Forbidden):
        await asking.cancel(ANN, other)
    assert rig.commands.unfinished("hall") == [other]
