"""Rules: bounds with hysteresis and a minimum time, silence, and what is done about them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from gateway import config
from gateway.root import tables
from gateway.rules.form import Command, Publish
from tests.rig import START
from tests.rules.watched import HOOK, feed, rule


async def test_a_bound_with_hysteresis(watched):
    """It fires above the bound, and clears at `clear`, once each."""
    watched.start(rule(above=30, clear=28))
    await feed(watched, 30, 30.1, 35, 29, 31, 28, 29, 30, 40)
    assert watched.told == [(True, 30.1), (False, 28), (True, 40)]
    assert watched.hooks == [("hot", HOOK.url, HOOK.secret)]


async def test_a_lower_bound_without_hysteresis(watched):
    """Without `clear` it clears at the bound itself."""
    watched.start(rule(below=5))
    await feed(watched, 5, 4, 3, 5, 4.9)
    assert watched.told == [(True, 4), (False, 5), (True, 4.9)]


async def test_a_minimum_time(watched):
    """The value must stay beyond the bound; no further reading is needed."""
    rules = watched.start(rule(above=30, hold=10))
    await feed(watched, 31)
    watched.rig.clock.forward(9)
    rules.sweep()
    await feed(watched, 29, 31)
    watched.rig.clock.forward(9)
    rules.sweep()
    assert watched.told == []
    await feed(watched, 32)
    watched.rig.clock.forward(1)
    rules.sweep()
    rules.sweep()
    assert watched.told == [(True, 32)]
    await feed(watched, 33, 20)
    assert watched.told == [(True, 32), (False, 20)]


async def test_what_is_no_number_does_not_count(watched):
    """Texts, objects and null say nothing; true is 1, false is 0."""
    watched.start(rule(above=0.5))
    await feed(watched, "99", {"a": 1}, [5], None)
    assert watched.told == []
    await feed(watched, True, False, -3, 1e3)
    assert watched.told == [(True, True), (False, False), (True, 1000)]


async def test_a_late_reading_says_nothing_of_now(watched):
    """What was measured before the latest does not set a rule off."""
    watched.start(rule(above=30))
    await watched.rig.telemetry("kitchen", "temperature", "20", ts=START)
    await watched.rig.telemetry("kitchen", "temperature", "40", ts=START - 1)
    assert watched.told == []


async def test_each_channel_is_watched_by_itself(watched):
    """One rule, many channels: each has its own state; others are none of its business."""
    watched.start(rule(above=30))
    for device in ("kitchen", "hall", "kitchen", "hall"):
        await watched.rig.telemetry(device, "temperature", "31")
    await watched.rig.telemetry("kitchen", "pressure", "31")
    assert [(p["device"], p["channel"], p["rule"]) for p in watched.posts] == [
        ("kitchen", "temperature", "hot"),
        ("hall", "temperature", "hot"),
    ]


async def test_silence(watched):
    """It fires when nothing came for the time, for known and new channels, and clears with the
    next reading.
    """
    await feed(watched, 1)
    rules = watched.start(rule(silent=60))
    await watched.rig.telemetry("hall", "temperature", "2")
    watched.rig.clock.forward(40)
    await feed(watched, 3)
    watched.rig.clock.forward(20)
    rules.sweep()
    assert [(p["device"], p["active"]) for p in watched.posts] == [("hall", True)]
    watched.rig.clock.forward(40)
    rules.sweep()
    rules.sweep()
    assert [(p["device"], p["active"]) for p in watched.posts] == [
        ("hall", True),
        ("kitchen", True),
    ]
    await feed(watched, 4)
    assert watched.told[-1] == (False, 4)
    watched.rig.clock.forward(60)
    rules.sweep()
    assert watched.told[-1] == (True, 4)


async def test_rules_set_off_no_rules(watched):
    """A rule that publishes into its own filter does not run round in circles."""
    watched.start(
        rule(filter="#", above=0, webhook=None, publish=Publish(channel="temperature", value=5))
    )
    await feed(watched, 1)
    assert [f["value"] for f in await watched.rig.frames("telemetry")] == [1, 5]


async def test_only_telemetry_is_watched(watched):
    """A command of a watched name is no reading."""
    watched.start(rule(above=0))
    await watched.rig.commands.send("kitchen", "temperature", "5", sender="user:1")
    await watched.rig.stored()
    assert watched.told == []


async def test_a_command_waits_for_storage(watched):
    """What storage refuses is done by a later sweep."""
    rules = watched.start(rule(above=30, command=Command(name="fan", value=1)))
    series = watched.rig.catalog.series("telemetry", "kitchen", "temperature")
    watched.rig.intake.refusal = "disk full"
    watched.rig.intake.submit(
        [(series, START, "31", "")], lambda: setattr(watched.rig.intake, "refusal", "still")
    )
    await watched.rig.intake._arrived.wait()
    while not watched.posts:
        await asyncio.sleep(0)
    rules.sweep()
    watched.rig.intake.refusal = None
    rules.sweep()
    assert [f["value"] for f in await watched.rig.frames("command")] == [1]


async def test_a_removed_device_is_watched_no_more(watched):
    """Its silence is not told."""
    rules = watched.start(rule(silent=60))
    await feed(watched, 1)
    rules.forget("kitchen")
    watched.rig.clock.forward(61)
    rules.sweep()
    assert watched.told == []


async def test_stop_and_no_rules(watched):
    """Without rules nothing listens; after `stop` neither."""
    watched.start()
    assert watched.rig.hub.listeners == 0
    rules = watched.start(rule(above=1))
    assert watched.rig.hub.listeners == 1
    rules.stop()
    rules.stop()
    await feed(watched, 5)
    assert watched.told == []


async def test_the_documented_rules_compile(watched, tmp_path):
    """The example in docs/rules.md is one that the gateway would start with."""
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    file = tmp_path / "gateway.toml"
    file.write_text(example)
    watched.start(*tables.rules(config.load(file, {})))
    assert [name for name, *_ in watched.hooks] == ["too hot", "lost"]
