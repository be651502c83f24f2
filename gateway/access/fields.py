"""What is wrong with a field that somebody sent: each function says it in a few words, or None.

`refuse` turns what they say into one `Invalid` that names every wrong field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from msgspec import UNSET, UnsetType

from gateway.access.keys import TOKEN_PREFIX
from gateway.errors import Invalid, InvalidTopic
from gateway.store.registry import Role, Scope
from gateway.topics import TopicFilter, check_device

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = frozenset({"token", "claim"})  # MQTT user names that are no device
LONGEST_TEXT = 200
MOST_GRANTS = 100
MOST_DEVICES = 1000  # in a token's list
LEAST_KEY = 15
_KEY = re.compile("[!-~]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


def refuse(**problems: str | None) -> None:
    """Raise `Invalid` if there is a problem with any of these fields."""
    wrong = {field: problem for field, problem in problems.items() if problem}
    if wrong:
        raise Invalid(
            "; ".join(f"{field}: {problem}" for field, problem in wrong.items()), fields=wrong
        )


def text(value: str | UnsetType) -> str | None:
    """A name or a type: one line."""
    if value is UNSET:
        return None
    if len(value) > LONGEST_TEXT:
        return f"at most {LONGEST_TEXT} characters"
    return "one line, without control characters" if _CONTROL.search(value) else None


def device_id(value: str) -> str | None:
    """An id for a new device."""
    if value in RESERVED:
        return f"{value!r} is reserved"
    try:
        check_device(value)
    except InvalidTopic as error:
        return str(error)
    return None


def device_ids(values: Iterable[str] | None) -> str | None:
    """The devices that a token is limited to."""
    if values is None:
        return None
    ids = list(values)
    if len(ids) > MOST_DEVICES:
        return f"at most {MOST_DEVICES} devices"
    return next(filter(None, map(device_id, ids)), None)


def key(value: str) -> str | None:
    """A key that a device has already. Those of IOTcommunicate have 15 characters."""
    if value.startswith(TOKEN_PREFIX):
        return f"a key does not begin with {TOKEN_PREFIX}, as tokens do"
    good = LEAST_KEY <= len(value) <= LONGEST_TEXT and _KEY.fullmatch(value)
    return None if good else f"{LEAST_KEY} to {LONGEST_TEXT} letters, digits and signs, no blanks"


def grants(values: Iterable[str] | UnsetType) -> str | None:
    """Topic filters that are granted to a device; `$` topics are not to be had."""
    if values is UNSET:
        return None
    filters = list(values)
    if len(filters) > MOST_GRANTS:
        return f"at most {MOST_GRANTS} filters"
    return next(filter(None, map(_grant, filters)), None)


def email(value: str) -> str | None:
    """An email address, as far as can be told without sending to it."""
    return (
        None if _EMAIL.fullmatch(value) and not _CONTROL.search(value) else "not an email address"
    )


def role(value: str | UnsetType) -> str | None:
    """What a user may be."""
    return (
        None if value is UNSET or value in get_args(Role) else f"one of {', '.join(get_args(Role))}"
    )


def scope(value: str) -> str | None:
    """How far a token may reach."""
    return None if value in get_args(Scope) else f"one of {', '.join(get_args(Scope))}"


def _grant(value: str) -> str | None:
    try:
        TopicFilter(value)
    except InvalidTopic as error:
        return str(error)
    return (
        f"{value[:80]!r}: topics that begin with $ are not granted"
        if value.startswith("$")
        else None
    )
