"""What can be done to API tokens: each function checks, writes and notes it in the audit, in one
transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import fields
from gateway.access.keys import Issued, digest, new_token
from gateway.errors import Conflict, Invalid, NotFound
from gateway.store.registry import Token, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.store.audit import By
    from gateway.store.registry import Scope, Tables


MOST = 200  # of one user
LONGEST = 100 * 366 * 24 * 3600 * 1000  # ms


def find(tables: Tables, token: int) -> Token:
    """Return a token by number or raise `NotFound`."""
    found = tables.tokens.get(token)
    if found is None:
        raise NotFound(f"there is no token {token}")
    return found


def create(
    tables: Tables,
    by: By,
    *,
    user: int,
    scope: Scope,
    name: str = "",
    devices: Iterable[str] | None = None,
    expires: int | None = None,
    noted: bool = True,
) -> Issued[Token]:
    """Add a token. `devices`: what it is limited to, None: no limit; `expires`: ms since 1970 UTC.
    Not `noted`: it lasts for one command of the command line, and its sign-in is noted. Raises
    `Invalid`.
    """
    limit = None if devices is None else frozenset(devices)
    fields.refuse(
        scope=fields.scope(scope),
        name=fields.text(name),
        devices=fields.device_ids(limit),
        expires=_expiry(expires, by.at),
    )
    found = tables.users.get(user)
    if found is None:
        raise Invalid("there is no such user", fields={"user": "no such user"})
    fields.refuse(devices=_unseen(tables, found, limit or ()))
    if sum(1 for _ in tables.tokens.where(user=user)) >= MOST:
        raise Conflict(f"{found.email} has {MOST} tokens already: revoke those that are not used")
    secret = new_token()
    token = Token(
        hash=digest(secret),
        user=user,
        name=name,
        scope=scope,
        devices=limit,
        expires=expires,
        created=by.at,
    )
    token = tables.tokens.insert(token)
    if noted:
        about = {"user": user, "scope": scope, "devices": limit and sorted(limit)}
        tables.note(by, "create", f"token:{token.id}", **about)
    return Issued(token, secret)


def revoke(tables: Tables, by: By, token: int, *, noted: bool = True) -> None:
    """Take a token away; it stops at once. Raises `NotFound`."""
    found = find(tables, token)
    tables.tokens.delete(token)
    if noted:
        tables.note(by, "revoke", f"token:{token}", user=found.user)


def _expiry(expires: int | None, now: int) -> str | None:
    if expires is None or now < expires <= now + LONGEST:
        return None
    return "in the past" if expires <= now else "at most 100 years ahead"


def _unseen(tables: Tables, user: User, limit: Iterable[str]) -> str | None:
    """Say which device of a limit the user does not see, whether it exists or not."""
    for id_ in sorted(limit):
        device = tables.devices.get(id_)
        if device is None or (user.role != "admin" and device.owner != user.id):
            return f"{user.email} has no device {id_!r}"
    return None
