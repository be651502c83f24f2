"""The registry: devices, users, tokens, web sessions and one-time links, and what changed in them.

Records are frozen. Times are ms since 1970 UTC.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
)

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.store.audit import By

Role: TypeAlias = Literal["admin", "user"]
Scope: TypeAlias = Literal["read", "write", "admin"]
Style: TypeAlias = Literal["gateway", "iotcommunicate"]
LinkKind: TypeAlias = Literal["first-admin", "invitation", "sign-in"]
Kind: TypeAlias = Literal["device", "about", "user", "token", "session"]
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

    `parent`: the hub that speaks for it; it has no key of its own then. `convention`: how it speaks
    where that is not the gateway's own way, and `root`: the topics that are its own by that.
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
    parent: str | None = None
    convention: str = ""
    root: str = ""


class About(Record, frozen=True, kw_only=True):
    """What is said of a device (gateway/about.py), by its convention, by itself, by a person."""

    id: str
    known: dict[str, Any] = {}
    said: dict[str, Any] = {}
    edits: dict[str, Any] = {}


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


R = TypeVar("R", bound=Record)
P = ParamSpec("P")
T = TypeVar("T")


class Table(Protocol[R]):
    """The records of one kind, inside a transaction."""

    def all(self) -> Iterator[R]: ...

    def where(self, **values: Key) -> Iterator[R]:
        """Return the records whose fields have these values."""

    def get(self, key: Key) -> R | None: ...

    def insert(self, record: R) -> R:
        """Add a record; an `id` of 0 is replaced by the next free one."""

    def update(self, key: Key, **changes: Any) -> None:
        """Set the given fields of one record."""

    def delete(self, key: Key) -> bool:
        """Take a record away; tells whether there was one."""


class Tables(Protocol):
    """What a change of the registry reads and writes, all of it or nothing."""

    @property
    def devices(self) -> Table[Device]: ...
    @property
    def abouts(self) -> Table[About]: ...
    @property
    def users(self) -> Table[User]: ...
    @property
    def tokens(self) -> Table[Token]: ...
    @property
    def sessions(self) -> Table[WebSession]: ...
    @property
    def links(self) -> Table[Link]: ...

    def note(self, by: By, action: str, object_: str, **detail: Any) -> None:
        """Write one line of the audit, in the transaction of the deed itself."""


class Tidying(NamedTuple):
    """Upkeep of the registry: when tokens were used ({id: ms}), and what is too old to keep."""

    used: dict[int, int]
    expired: int  # ms: web sessions and links that expire until then go
    pending_before: int  # ms: devices announced before then, and never approved, go
    changes_upto: int  # rev: every reader has passed it


class RegistryStore(Protocol):
    """Keeps the registry. Raises `StoreError` where it cannot."""

    async def everything(self) -> Everything:
        """Read all records; what is written meanwhile is in `changes` above its `rev`."""

    async def changes(self, rev: int) -> Update | None:
        """Return what has changed after `rev`; None: it is not known that far back, read
        everything.
        """

    async def apply(
        self, work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(tables, ...)` in one transaction, undone when it raises."""

    async def ask(
        self, work: Callable[Concatenate[Tables, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(tables, ...)`, which only reads."""

    async def tidy(self, what: Tidying) -> None: ...


def jsonable(value: Any) -> Any:
    """Return a field's value as JSON has it."""
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
