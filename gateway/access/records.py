"""Devices, users, tokens and web sessions in memory, and what they say about a principal. No I/O,
no asyncio.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from gateway.about import merged
from gateway.access.principal import Principal, of_device, of_session, of_token
from gateway.errors import Conflict
from gateway.store.registry import About, Device, Token, User, WebSession

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.shapes import Clock
    from gateway.store.registry import Kind, Record


_BY_NAME = frozenset({"device", "about"})  # kinds whose keys are names; the others have numbers
DEVICES_OF_USER = 10_000
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Records:
    """All records by id. `clock`: ms since 1970 UTC. Each lookup costs a dict access."""

    def __init__(self, *, clock: Clock) -> None:
        self.devices: dict[str, Device] = {}
        self.abouts: dict[str, About] = {}
        self.users: dict[int, User] = {}
        self.tokens: dict[int, Token] = {}
        self.sessions: dict[int, WebSession] = {}
        self._clock = clock
        self._tables: dict[Kind, dict[Any, Any]] = {
            "device": self.devices, "about": self.abouts,
            "user": self.users, "token": self.tokens, "session": self.sessions,
        }  # fmt: skip
        self._merged: dict[str, dict[str, Any]] = {}
        self._children: dict[str, set[str]] = {}
        self._by_email: dict[str, User] = {}
        self._by_owner: dict[int | None, set[str]] = {}
        self._by_hash: dict[bytes, Token | WebSession] = {}

    def user_of(self, email: str) -> User | None:
        """Return the user of an email address, disabled or not."""
        return self._by_email.get(folded(email))

    def owner_of(self, device: str) -> int | None:
        """Return the user who owns a device; None where none does, or it is not there."""
        found = self.devices.get(device)
        return None if found is None else found.owner

    def of_owner(self, user: int | None) -> Collection[str]:
        """Return the ids of a user's devices."""
        return self._by_owner.get(user, ())

    def about(self, device: str) -> dict[str, Any]:
        """Return what a device is, by all that is said of it; do not change it."""
        return self._merged.get(device, {})

    def children(self, hub: str) -> Collection[str]:
        """Return the ids of the devices below a hub."""
        return self._children.get(hub, ())

    def token_of(self, hash_: bytes) -> Token | None:
        """Return the token of a secret's SHA-256, expired or not."""
        found = self._by_hash.get(hash_)
        return found if isinstance(found, Token) else None

    def session_of(self, hash_: bytes) -> WebSession | None:
        """Return the web session of a cookie's SHA-256, expired or not."""
        found = self._by_hash.get(hash_)
        return found if isinstance(found, WebSession) else None

    def allowed_user(self, user: int) -> User | None:
        """Return a user who exists and is not disabled."""
        found = self.users.get(user)
        return found if found and not found.disabled else None

    def allowed_device(self, device: str) -> Device | None:
        """Return a device that exists, is approved and not disabled, and whose owner is not
        disabled.
        """
        found = self.devices.get(device)
        if found is None or found.disabled or found.state != "active":
            return None
        return found if found.owner is None or self.allowed_user(found.owner) else None

    def demand_room(self, owner: int | None) -> None:
        """Raise `Conflict` where a user has as many devices as one may have."""
        owned = sum(device.owner == owner for device in self.devices.values())
        if owner is not None and owned >= DEVICES_OF_USER:
            raise Conflict(f"you have {owned:,} devices already, as many as one user may have")

    def principal(self, found: Token | WebSession | None) -> Principal | None:
        """Return the principal of a token or a session, None where it has expired or its user is
        not allowed.
        """
        if found is None or (found.expires is not None and found.expires <= self._clock()):
            return None
        user = self.allowed_user(found.user)
        if user is None:
            return None
        return of_session(found, user) if isinstance(found, WebSession) else of_token(found, user)

    def current(self, principal: Principal) -> Principal | None:
        """Return the principal as it would be if it signed in now with the same proof, or None if
        it could not.
        """
        if principal.claim is not None:
            return principal
        if principal.device is not None:
            return self._current_device(principal.device, principal.proof)
        kind, _, number = principal.proof.partition(":")
        return self.principal(
            self.sessions.get(int(number)) if kind == "session" else self.tokens.get(int(number))
        )

    def known(self, key: str) -> Principal | None:
        """Return the device or token of a principal's key as if it signed in now, or None if it
        could not.
        """
        kind, _, name = key.partition(":")
        if kind == "device":
            return self._current_device(name, "")
        return self.principal(self.tokens.get(int(name))) if kind == "token" else None

    def label(self, key: str) -> str | None:
        """Return how people know who has a number: a user by email, a token by name and user."""
        kind, _, number = key.partition(":")
        user = self.users.get(int(number)) if kind == "user" and number.isdecimal() else None
        if user is not None:
            return user.email
        token = self.tokens.get(int(number)) if kind == "token" and number.isdecimal() else None
        owner = None if token is None else self.users.get(token.user)
        if token is None or owner is None:
            return None
        return f"{token.name or 'a token'} of {owner.email}"

    def stands(self, principal: Principal) -> bool:
        """Tell whether a principal is still what it was at sign-in; if not, its links must be cut
        off.
        """
        return self.current(principal) == principal

    def put(self, kind: Kind, key: str, record: Record | None) -> None:
        """Take in a record as it is now; None: it is gone. `key` is its id as text."""
        table, id_ = self._tables[kind], key if kind in _BY_NAME else int(key)
        old = table.pop(id_, None)
        if isinstance(old, User):
            self._by_email.pop(folded(old.email), None)
        elif isinstance(old, Token | WebSession):
            self._by_hash.pop(old.hash, None)
        elif isinstance(old, Device):
            self._by_owner[old.owner].discard(old.id)
            if old.parent is not None:
                self._children[old.parent].discard(old.id)
        elif isinstance(old, About):
            self._merged.pop(old.id, None)
        if record is not None:
            table[id_] = record
        if isinstance(record, User):
            self._by_email[folded(record.email)] = record
        elif isinstance(record, Token | WebSession):
            self._by_hash[record.hash] = record
        elif isinstance(record, Device):
            self._by_owner.setdefault(record.owner, set()).add(record.id)
            if record.parent is not None:
                self._children.setdefault(record.parent, set()).add(record.id)
        elif isinstance(record, About):
            self._merged[record.id] = merged(record.known, record.said, record.edits)

    def get(self, kind: Kind, key: str) -> Record | None:
        """Return the record of a kind and an id as text."""
        found: Record | None = self._tables[kind].get(key if kind in _BY_NAME else int(key))
        return found

    def names(self) -> Iterable[tuple[Kind, str]]:
        """Return kind and key of every record."""
        return [(kind, str(key)) for kind, table in self._tables.items() for key in table]

    def expiring(self, since: int, upto: int) -> Iterable[tuple[Kind, str]]:
        """Return kind and key of the tokens and sessions that expire after `since`, at `upto` at
        the latest (ms).
        """
        tokens = (
            token
            for token in self.tokens.values()
            if token.expires and since < token.expires <= upto
        )
        sessions = (
            session for session in self.sessions.values() if since < session.expires <= upto
        )
        return [
            *(("token", str(token.id)) for token in tokens),
            *(("session", str(each.id)) for each in sessions),
        ]

    def _current_device(self, device: str, proof: str) -> Principal | None:
        found = self.allowed_device(device)
        if found is None:
            return None
        return (
            of_device(found, proof=proof) if proof.startswith("certificate:") else of_device(found)
        )


def folded(email: str) -> str:
    """Return an address as the database compares it: letters beyond ASCII are never each other's
    lower case.

    The sign of kelvin lowers to `k`: whoever signed up with it would take over the name of another
    account.
    """
    return email.strip().translate(_LOWER)
