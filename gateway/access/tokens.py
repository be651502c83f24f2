"""What can be done to API tokens: each function checks, writes and notes it in the audit, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import fields
from gateway.access.keys import Issued, digest, new_token
from gateway.errors import Invalid, NotFound
from gateway.store import audit
from gateway.store.registry import TOKENS, USERS, Token

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from gateway.store.audit import By
    from gateway.store.registry import Scope


def find(db: sqlite3.Connection, token: int) -> Token:
    """Return a token by number or raise `NotFound`."""
    found = TOKENS.get(db, token)
    if found is None:
        raise NotFound(f"there is no token {token}")
    return found


def create(
    db: sqlite3.Connection,
    by: By,
    *,
    user: int,
    scope: Scope,
    name: str = "",
    devices: Iterable[str] | None = None,
    expires: int | None = None,
) -> Issued[Token]:
    """Add a token. `devices`: what it is limited to, None: no limit; `expires`: ms since 1970 UTC. Raises `Invalid`."""
    limit = None if devices is None else frozenset(devices)
    over = "in the past" if expires is not None and expires <= by.at else None
    fields.refuse(scope=fields.scope(scope), name=fields.text(name), devices=fields.device_ids(limit), expires=over)
    if USERS.get(db, user) is None:
        raise Invalid("there is no such user", fields={"user": "no such user"})
    secret = new_token()
    token = Token(hash=digest(secret), user=user, name=name, scope=scope, devices=limit, expires=expires, created=by.at)
    token = TOKENS.insert(db, token)
    audit.record(db, by, "create", f"token:{token.id}", user=user, scope=scope, devices=limit and sorted(limit))
    return Issued(token, secret)


def revoke(db: sqlite3.Connection, by: By, token: int) -> None:
    """Take a token away; it stops at once. Raises `NotFound`."""
    found = find(db, token)
    TOKENS.delete(db, token)
    audit.record(db, by, "revoke", f"token:{token}", user=found.user)
