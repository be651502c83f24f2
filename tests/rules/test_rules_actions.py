"""What rules do: commands, frames, and a refused action beside others."""

from __future__ import annotations

from gateway.rules.form import Command, Publish
from tests.rules.watched import feed, rule


async def test_a_command_is_sent_when_it_fires(watched):
    """To the device that set it off, or to the named one; nothing when it clears."""
    watched.start(
        rule(name="here", webhook=None, above=30, command=Command(name="fan", value={"on": True})),
        rule(name="there", webhook=None, above=30, command=Command(name="bell", device="hall")),
    )
    await feed(watched, 31, 20)
    frames = [
        *await watched.rig.frames("command", "kitchen"),
        *await watched.rig.frames("command", "hall"),
    ]
    assert [(f["device"], f["channel"], f["value"]) for f in frames] == [
        ("kitchen", "fan", {"on": True}),
        ("hall", "bell", None),
    ]
    command = await watched.rig.commands.get(frames[0]["id"])
    assert command.sender == "rule:here"


async def test_a_frame_is_published(watched):
    """True and false by default; a value of its own only when it fires. The frame names the
    rule.
    """
    watched.start(
        rule(name="a", webhook=None, above=30, publish=Publish(channel="alarm/hot")),
        rule(
            name="b",
            webhook=None,
            above=30,
            publish=Publish(channel="note", device="hall", value="hot!"),
        ),
    )
    await feed(watched, 31, 20)
    frames = [f for f in await watched.rig.frames("telemetry") if f["channel"] == "alarm/hot"]
    assert [(f["value"], f["rule"]) for f in frames] == [(True, "a"), (False, "a")]
    assert [f["value"] for f in await watched.rig.frames("telemetry", "hall")] == ["hot!"]


async def test_a_refused_action_costs_no_other(watched, caplog):
    """It is logged with the rule, and the next action is done."""
    watched.start(
        rule(
            above=30,
            command=Command(name="fan", device="nowhere"),
            publish=Publish(channel="x", device="no"),
        )
    )
    await feed(watched, 31)
    assert watched.told == [(True, 31)]
    assert "rule hot: there is no device nowhere" in caplog.text
    assert "rule hot: there is no device no" in caplog.text
