"""A running core with rules, and readings for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.rules.actions import Actions
from gateway.rules.form import Rule, Webhook
from gateway.rules.watching import Rules

if TYPE_CHECKING:
    from tests.rig import Rig


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

    def start(self, *rules: Rule) -> Rules:
        """Watch for these."""
        rig = self.rig
        made = Rules(rules, self.actions, hub=rig.hub, catalog=rig.catalog, clock=rig.clock)
        made.start()
        return made

    @property
    def told(self) -> list[tuple]:
        return [(post["active"], post["value"]) for post in self.posts]


HOOK = Webhook(url="https://example.org/hook", secret="0123456789abcdef")


def rule(**values) -> Rule:
    """Return a rule on temperatures that posts."""
    plain = {"name": "hot", "filter": "+/temperature", "webhook": HOOK}
    return Rule(**(plain | values))


async def feed(watched: Watched, *values: object, channel: str = "temperature") -> None:
    """Store readings of the kitchen, one after the other."""
    for value in values:
        await watched.rig.telemetry("kitchen", channel, msgspec.json.encode(value).decode())
