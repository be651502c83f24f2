"""Rules: bounds with hysteresis and a minimum time, silence, and what is done about them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from gateway import config
from gateway.actions import Actions
from gateway.config.rules import Rule as Table
from gateway.config.rules import RuleCommand, RulePublish, RuleWebhook
from gateway.errors import Invalid
from gateway.rules import Rules, compiled
from tests.rig import START, Rig, running


class Watched:
    """A running core with rules; webhooks keep what they would post."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.posts: list[dict] = []
        self.hooks: list[tuple[str, str, str | None]] = []
        self.actions = Actions(
            commands=rig.commands,
            intake=rig.intake,
            catalog=rig.catalog,
            exists=rig.devices.__contains__,
            hook=self.hook,
            clock=rig.clock,
        )

    def hook(self, name, url, secret):
        """Make a webhook that keeps its posts."""
        self.hooks.append((name, url, secret))
        return lambda body: self.posts.append(msgspec.json.decode(body))

    def start(self, *tables: Table) -> Rules:
        """Compile and watch."""
        rules = [compiled(table, self.actions) for table in tables]
        made = Rules(rules, hub=self.rig.hub, catalog=self.rig.catalog, clock=self.rig.clock)
        made.start()
        return made

    @property
    def told(self) -> list[tuple]:
        return [(post["active"], post["value"]) for post in self.posts]


@pytest.fixture
async def watched(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as rig:
        yield Watched(rig)


HOOK = RuleWebhook(url="https://example.org/hook", secret="0123456789abcdef")


def table(**values) -> Table:
    """Return a rule on temperatures that posts."""
    plain = {"name": "hot", "filter": "+/temperature", "webhook": HOOK}
    return Table(**(plain | values))


async def feed(watched: Watched, *values: object, channel: str = "temperature") -> None:
    """Store readings of the kitchen, one after the other."""
    for value in values:
        await watched.rig.telemetry("kitchen", channel, msgspec.json.encode(value).decode())


async def test_a_bound_with_hysteresis(watched):
    """It fires above the bound, and clears at `clear`, once each."""
    watched.start(table(above=30, clear=28))
    await feed(watched, 30, 30.1, 35, 29, 31, 28, 29, 30, 40)
    assert watched.told == [(True, 30.1), (False, 28), (True, 40)]
    assert watched.hooks == [("hot", HOOK.url, HOOK.secret)]


async def test_a_lower_bound_without_hysteresis(watched):
    """Without `clear` it clears at the bound itself."""
    watched.start(table(below=5))
    await feed(watched, 5, 4, 3, 5, 4.9)
    assert watched.told == [(True, 4), (False, 5), (True, 4.9)]


async def test_a_minimum_time(watched):
    """The value must stay beyond the bound; no further reading is needed."""
    rules = watched.start(table(above=30, hold=10))
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
    watched.start(table(above=0.5))
    await feed(watched, "99", {"a": 1}, [5], None)
    assert watched.told == []
    await feed(watched, True, False, -3, 1e3)
    assert watched.told == [(True, True), (False, False), (True, 1000)]


async def test_a_late_reading_says_nothing_of_now(watched):
    """What was measured before the latest does not set a rule off."""
    watched.start(table(above=30))
    await watched.rig.telemetry("kitchen", "temperature", "20", ts=START)
    await watched.rig.telemetry("kitchen", "temperature", "40", ts=START - 1)
    assert watched.told == []


async def test_each_channel_is_watched_by_itself(watched):
    """One rule, many channels: each has its own state; others are none of its business."""
    watched.start(table(above=30))
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
    rules = watched.start(table(silent=60))
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


async def test_a_command_is_sent_when_it_sets_in(watched):
    """To the device that set it off, or to the named one; nothing when it clears."""
    watched.start(
        table(
            name="here", webhook=None, above=30, command=RuleCommand(name="fan", value={"on": True})
        ),
        table(
            name="there", webhook=None, above=30, command=RuleCommand(name="bell", device="hall")
        ),
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
    """True and false by default; a value of its own only when it fires. The frame names the rule."""
    watched.start(
        table(name="a", webhook=None, above=30, publish=RulePublish(channel="alarm/hot")),
        table(
            name="b",
            webhook=None,
            above=30,
            publish=RulePublish(channel="note", device="hall", value="hot!"),
        ),
    )
    await feed(watched, 31, 20)
    frames = [f for f in await watched.rig.frames("telemetry") if f["channel"] == "alarm/hot"]
    assert [(f["value"], f["rule"]) for f in frames] == [(True, "a"), (False, "a")]
    assert [f["value"] for f in await watched.rig.frames("telemetry", "hall")] == ["hot!"]


async def test_rules_set_off_no_rules(watched):
    """A rule that publishes into its own filter does not run round in circles."""
    watched.start(
        table(
            filter="#", above=0, webhook=None, publish=RulePublish(channel="temperature", value=5)
        )
    )
    await feed(watched, 1)
    assert [f["value"] for f in await watched.rig.frames("telemetry")] == [1, 5]


async def test_only_telemetry_is_watched(watched):
    """A command of a watched name is no reading."""
    watched.start(table(above=0))
    await watched.rig.commands.send("kitchen", "temperature", "5", sender="user:1")
    await watched.rig.stored()
    assert watched.told == []


async def test_a_refused_action_costs_no_other(watched, caplog):
    """It is logged with the rule, and the next action is done."""
    watched.start(
        table(
            above=30,
            command=RuleCommand(name="fan", device="nowhere"),
            publish=RulePublish(channel="x", device="no"),
        )
    )
    await feed(watched, 31)
    assert watched.told == [(True, 31)]
    assert "rule hot: there is no device nowhere" in caplog.text
    assert "rule hot: there is no device no" in caplog.text


async def test_a_command_waits_for_storage(watched):
    """What storage refuses is done by a later sweep."""
    rules = watched.start(table(above=30, command=RuleCommand(name="fan", value=1)))
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
    rules = watched.start(table(silent=60))
    await feed(watched, 1)
    rules.forget("kitchen")
    watched.rig.clock.forward(61)
    rules.sweep()
    assert watched.told == []


async def test_stop_and_no_rules(watched):
    """Without rules nothing listens; after `stop` neither."""
    watched.start()
    assert watched.rig.hub.listeners == 0
    rules = watched.start(table(above=1))
    assert watched.rig.hub.listeners == 1
    rules.stop()
    rules.stop()
    await feed(watched, 5)
    assert watched.told == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"filter": "a/#/b", "above": 1}, r"\[\[rules\]\] 'hot': 'a/#/b' is no filter"),
        ({"above": 1, "command": RuleCommand(name="a/+")}, "'a/\\+' is not a channel"),
        ({"above": 1, "command": RuleCommand(name="a", device="a b")}, "'a b' is not a device id"),
        ({"above": 1, "publish": RulePublish(channel="")}, "is not a channel"),
        (
            {"above": 1, "publish": RulePublish(channel="a", value=object())},
            r"\[\[rules\]\] 'hot': .*object",
        ),
        ({"above": 1, "clear": 2}, "clear: 2 is beyond the bound, 1"),
        ({"below": 1, "clear": 0}, "clear: 0 is beyond the bound, 1"),
        ({"above": 1, "below": 2}, "expected one of above and below"),
        ({"above": 1, "silent": 2}, "expected one of above, below and silent"),
        ({}, "expected one of above, below and silent"),
    ],
)
async def test_mistakes_are_clear(watched, values, message):
    """One line that names the rule."""
    with pytest.raises(Invalid, match=message):
        compiled(table(**values), watched.actions)


async def test_the_documented_rules_compile(watched, tmp_path):
    """The example in docs/rules.md is one that the gateway would start with."""
    page = (Path(__file__).parents[1] / "docs" / "rules.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    file = tmp_path / "gateway.toml"
    file.write_text(example)
    watched.start(*config.load(file, {}).rules)
    assert [name for name, *_ in watched.hooks] == ["too hot", "lost"]
