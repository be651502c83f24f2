"""The form of a rule: one condition and what is done about it, wherever the rule comes from."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import Invalid


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sends a command when the rule fires; without `device`, to the device of the reading."""

    name: str
    device: str | None = None
    value: Any = None


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Publishes a frame; without `value`, true when the rule fires and false when it clears."""

    channel: str
    device: str | None = None
    value: Any = None


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Posts to a URL when the rule fires and when it clears."""

    url: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Webhook(url={self.url!r}, secret={'***' if self.secret else None})"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `above`, `below` and `silent` is the condition; `hold` (`for`) and `silent` are
    seconds.
    """

    name: str
    filter: str
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    hold: float = msgspec.field(name="for", default=0.0)
    silent: float | None = None
    command: Command | None = None
    publish: Publish | None = None
    webhook: Webhook | None = None


def read(data: object) -> Rule:
    """Return the rule that plain data describes; raises `Invalid` where a key or a type is
    wrong.
    """
    try:
        return msgspec.convert(data, Rule)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from error
