"""The tables of `[[rules]]`: conditions on channels, and what is done about them, without code.

Here is their shape; which keys go together, the gateway's rules know themselves.
"""

from typing import Annotated

import msgspec

from gateway.config.kinds import Delay, Duration, Json, LongSecret, Name, Number, Text, WebUrl
from gateway.config.table import Table


class RuleCommand(Table, frozen=True, kw_only=True):
    """Sends a command."""

    name: Annotated[Text, "name of the command"]
    device: Annotated[
        Text | None, "device that gets it; without it, the device that set the rule off"
    ] = None
    value: Annotated[Json, "value of the command; without it, null"] = None


class RulePublish(Table, frozen=True, kw_only=True):
    """Publishes a frame."""

    channel: Annotated[Text, "channel of the frame"]
    device: Annotated[
        Text | None, "device of the frame; without it, the device that set the rule off"
    ] = None
    value: Annotated[
        Json, "value of the frame; without it, true when the rule fires and false when it clears"
    ] = None


class RuleWebhook(Table, frozen=True, kw_only=True):
    """Posts to a URL."""

    url: Annotated[WebUrl, "where to post"]
    secret: Annotated[
        LongSecret | None, "key of the signature; without it, the post is not signed"
    ] = None


class Rule(Table, frozen=True, kw_only=True):
    """Does something when a value crosses a bound, or when a channel falls silent."""

    name: Annotated[Name, "name of the rule, for logs and webhooks"]
    filter: Annotated[
        Text,
        "channels it watches, as `device/channel`, with `+` and `#`; each is watched by itself",
    ]
    above: Annotated[Number | None, "fires when a value is greater than this"] = None
    below: Annotated[Number | None, "fires when a value is less than this"] = None
    clear: Annotated[
        Number | None, "the value at which it clears; without it, the bound itself"
    ] = None
    hold: Annotated[Delay, "how long the value must stay beyond the bound first"] = msgspec.field(
        name="for", default=0.0
    )
    silent: Annotated[Duration | None, "fires when nothing came for this long"] = None
    command: RuleCommand | None = None
    publish: RulePublish | None = None
    webhook: RuleWebhook | None = None
