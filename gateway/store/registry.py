"""Devices, users, tokens, web sessions and one-time links, and what has changed in them.

Records are frozen. Times are ms since 1970 UTC.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

Role: TypeAlias = Literal["admin", "user"]
Scope: TypeAlias = Literal["read", "write", "admin"]
Style: TypeAlias = Literal["gateway", "iotcommunicate"]
LinkKind: TypeAlias = Literal["first-admin", "invitation", "sign-in"]
Kind: TypeAlias = Literal["device", "user", "token", "session"]
Key: TypeAlias = str | int | bytes

_SECRET = frozenset({"hash", "key_hash", "password"})


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A row. What was made from a secret is neither in its repr nor in `public`."""

    def public(self) -> dict[str, Any]:
        """Return the fields that may be shown, as JSON has them."""
        shown = (name for name in self.__struct_fields__ if name not in _SECRET)
        return {name: jsonable(getattr(self, name)) for name in shown}

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.public().items())
        return f"{type(self).__name__}({fields})"


class Device(Record, frozen=True, kw_only=True):
    """A source of data. `owner`: a user's id, None: the admins'. `pending`: it waits for somebody's
    approval.
    """

    id: str
    key_hash: bytes
    name: str = ""
    type: str = ""
    owner: int | None = None
    grants: tuple[str, ...] = ()
    disabled: bool = False
    style: Style = "gateway"
    state: Literal["active", "pending"] = "active"
    created: int


class User(Record, frozen=True, kw_only=True):
    """A person. `password`: argon2id, None: no sign-in by password."""

    id: int = 0
    email: str
    name: str = ""
    password: str | None = None
    role: Role = "user"
    disabled: bool = False
    created: int


class Token(Record, frozen=True, kw_only=True):
    """An API token of a user. `devices`: what it is limited to, None: all that the user sees."""

    id: int = 0
    hash: bytes
    user: int
    name: str = ""
    scope: Scope
    devices: frozenset[str] | None = None
    expires: int | None = None
    created: int
    last_used: int | None = None


class WebSession(Record, frozen=True, kw_only=True):
    """A browser that is signed in."""

    id: int = 0
    hash: bytes
    user: int
    created: int
    expires: int


class Link(Record, frozen=True, kw_only=True):
    """A link that works once."""

    hash: bytes
    kind: LinkKind
    email: str | None = None
    role: Role = "user"
    user: int | None = None
    created: int
    expires: int


class Change(NamedTuple):
    """A record was written, or is `gone`. `key`: the device's id, or the number of another record
    as text.
    """

    kind: Kind
    key: str
    gone: bool


class Update(NamedTuple):
    """What has changed up to `rev`: the events in order, and each record named there as it is now
    (None: gone).
    """

    rev: int
    events: list[Change]
    records: dict[tuple[Kind, str], Record | None]


class Everything(NamedTuple):
    """All that a gateway keeps in memory, at least as new as `rev`, by kind and key."""

    rev: int
    records: dict[tuple[Kind, str], Record]


def jsonable(value: Any) -> Any:
    """Return a field's value as JSON has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
