"""Actions: what a rule does when it fires or clears: send a command, publish a frame, post to a
webhook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from gateway.errors import NotFound
from gateway.frames import encode, rule_extra, to_json
from gateway.topics import check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.frames import Series
    from gateway.intake import Intake


class CommandTable(Protocol):
    """`[rules.command]`."""

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def value(self) -> Any: ...


class PublishTable(Protocol):
    """`[rules.publish]`."""

    @property
    def channel(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def value(self) -> Any: ...


class WebhookTable(Protocol):
    """`[rules.webhook]`."""

    @property
    def url(self) -> str: ...
    @property
    def secret(self) -> str | None: ...


class ActionTable(Protocol):
    """What of a `[[rules]]` table says what it does."""

    @property
    def name(self) -> str: ...
    @property
    def command(self) -> CommandTable | None: ...
    @property
    def publish(self) -> PublishTable | None: ...
    @property
    def webhook(self) -> WebhookTable | None: ...


class Event(NamedTuple):
    """A rule has fired (`active`) or cleared. `value`: the JSON text of the last reading, None if
    there was none.
    """

    rule: str
    active: bool
    series: Series
    value: str | None
    ts: int

    def json(self) -> bytes:
        """Return what a webhook posts."""
        start = {
            "rule": self.rule,
            "active": self.active,
            "device": self.series.device,
            "channel": self.series.channel,
        }
        return encode(start)[:-1] + f',"ts":{self.ts},"value":{self.value or "null"}}}'.encode()


Act: TypeAlias = "Callable[[Event], None]"


def check(table: ActionTable) -> None:
    """Raise `Invalid` if an action names an invalid channel or device id, `TypeError` if a value is
    not JSON.
    """
    if table.command is not None:
        check_channel(table.command.name)
    if table.publish is not None:
        check_channel(table.publish.channel)
    for part in (table.command, table.publish):
        if part is not None:
            to_json(part.value)
            if part.device is not None:
                check_device(part.device)


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
        exists: Callable[[str], bool],
        hook: Callable[[str, str, str | None], Callable[[bytes], None]],
        clock: Callable[[], int],
    ) -> None:
        self._commands = commands
        self._intake = intake
        self._catalog = catalog
        self._exists = exists
        self._hook = hook
        self._clock = clock

    def of(self, table: ActionTable) -> tuple[Act, ...]:
        """Return what a rule does, in the order command, publish, webhook; raises `Invalid`."""
        check(table)
        acts: list[Act] = []
        if table.command is not None:
            acts.append(self._command(table.command))
        if table.publish is not None:
            acts.append(self._publish(table.publish))
        if table.webhook is not None:
            post = self._hook(table.name, table.webhook.url, table.webhook.secret)
            acts.append(lambda event: post(event.json()))
        return tuple(acts)

    def _command(self, table: CommandTable) -> Act:
        name, device, value = table.name, table.device, to_json(table.value)

        def act(event: Event) -> None:
            if event.active:
                self._commands.submit(
                    device or event.series.device, name, value, sender=f"rule:{event.rule}"
                )

        return act

    def _publish(self, table: PublishTable) -> Act:
        channel, device = table.channel, table.device
        value = None if table.value is None else to_json(table.value)

        def act(event: Event) -> None:
            target = device or event.series.device
            if not self._exists(target):
                raise NotFound(f"there is no device {target}")
            if value is None or event.active:
                text = value or to_json(event.active)
                series = self._catalog.series("telemetry", target, channel)
                self._intake.submit([(series, self._clock(), text, rule_extra(event.rule))])

        return act
