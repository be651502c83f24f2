"""Actions: what a rule does when it fires or clears: send a command, publish a frame, post to a
webhook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.errors import NotFound
from gateway.frames import rule_extra, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.intake import Intake
    from gateway.rules.evaluation import Event
    from gateway.rules.form import Command, Publish, Rule
    from gateway.shapes import Clock, Exists


Act: TypeAlias = "Callable[[Event], None]"


class Actions:
    """What rules can do. `hook(name, url, secret)` makes a webhook: what posts a body. `clock`: ms
    since 1970 UTC.
    """

    def __init__(
        self,
        *,
        commands: Commands,
        intake: Intake,
        catalog: Catalog,
        exists: Exists,
        hook: Callable[[str, str, str | None], Callable[[bytes], None]],
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._intake = intake
        self._catalog = catalog
        self._exists = exists
        self._hook = hook
        self._clock = clock

    def of(self, rule: Rule) -> tuple[Act, ...]:
        """Return what a rule does, in the order command, publish, webhook."""
        acts: list[Act] = []
        if rule.command is not None:
            acts.append(self._command(rule.command))
        if rule.publish is not None:
            acts.append(self._publish(rule.publish))
        if rule.webhook is not None:
            post = self._hook(rule.name, rule.webhook.url, rule.webhook.secret)
            acts.append(lambda event: post(event.json()))
        return tuple(acts)

    def _command(self, command: Command) -> Act:
        name, device, value = command.name, command.device, to_json(command.value)

        def act(event: Event) -> None:
            if event.active:
                self._commands.submit(
                    device or event.series.device, name, value, sender=f"rule:{event.rule}"
                )

        return act

    def _publish(self, publish: Publish) -> Act:
        channel, device = publish.channel, publish.device
        value = None if publish.value is None else to_json(publish.value)

        def act(event: Event) -> None:
            target = device or event.series.device
            if not self._exists(target):
                raise NotFound(f"there is no device {target}")
            if value is None or event.active:
                text = value or to_json(event.active)
                series = self._catalog.series("telemetry", target, channel)
                self._intake.submit([(series, self._clock(), text, rule_extra(event.rule))])

        return act
