"""The gateway's own topics: what is sent to a device, and what its status means."""

import pytest

from gateway.bridges.mqtt.conventions import gateway
from gateway.errors import Untranslatable
from gateway.store.commands import AnswerTo, Command

COMMAND = Command(
    id="c1",
    device="kitchen",
    name="fan/speed",
    value="2",
    state="replied",
    created=1,
    expires=2,
    changed=1,
    sender="device:hall",
    reply='"done"',
)


def test_a_command_as_its_device_gets_it() -> None:
    """On its own topic, with where to answer."""
    message = gateway.command(COMMAND)
    assert (message.topic, message.payload, message.qos) == (
        "devices/kitchen/commands/fan/speed", b"2", 1,
    )  # fmt: skip
    assert message.properties is not None
    assert message.properties.response_topic == "devices/kitchen/replies/fan/speed"
    assert message.properties.correlation_data == b"c1"
    found = gateway.routes().find(message.topic)
    assert found is not None
    assert (found.kind, found.device, found.channel) == ("command", "kitchen", "fan/speed")


def test_a_reply_goes_where_the_sender_wants_it() -> None:
    """To the response topic of the request, or else to the sender's own topics."""
    asked = gateway.answer(COMMAND, AnswerTo("hall", "here", b"7"))
    assert (asked.topic, asked.payload) == ("here", b'"done"')
    assert asked.properties is not None
    assert asked.properties.correlation_data == b"7"
    own = gateway.answer(COMMAND, AnswerTo("hall", None, None))
    assert own.topic == "devices/hall/replies/fan/speed"


@pytest.mark.parametrize("payload", [b"online", b' "online"\n'])
def test_a_status(payload: bytes) -> None:
    """As text or as JSON; nothing else is one."""
    assert gateway.status(payload) == "online"
    with pytest.raises(Untranslatable):
        gateway.status(b"ON")
