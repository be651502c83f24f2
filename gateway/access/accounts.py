"""What can be done to users: each function checks, writes and notes it in the audit, in the
caller's transaction.

Passwords come here as argon2id, made by `Passwords.hash` outside the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from gateway.access import fields, links, sessions
from gateway.errors import Conflict, NotFound
from gateway.store.registry import User
from gateway.store.sqlite import audit
from gateway.store.sqlite.registry import DEVICES, USERS

if TYPE_CHECKING:
    import sqlite3

    from gateway.store.audit import By
    from gateway.store.registry import Role


def find(db: sqlite3.Connection, email: str) -> User:
    """Return the user of an email address or raise `NotFound`."""
    found = next(USERS.where(db, email=email.strip()), None)
    if found is None:
        raise NotFound(f"there is no user {email[:80]!r}")
    return found


def get(db: sqlite3.Connection, user: int) -> User:
    """Return a user by number or raise `NotFound`."""
    found = USERS.get(db, user)
    if found is None:
        raise NotFound(f"there is no user {user}")
    return found


def create(
    db: sqlite3.Connection,
    by: By,
    *,
    email: str,
    name: str = "",
    password: str | None,
    role: Role = "user",
) -> User:
    """Add a user. Raises `Invalid` with the wrong fields, `Conflict` where the email is taken."""
    email = email.strip()
    fields.refuse(email=fields.email(email), name=fields.text(name), role=fields.role(role))
    if any(USERS.where(db, email=email)):
        raise Conflict(f"there is a user {email!r} already", fields={"email": "exists already"})
    user = USERS.insert(
        db, User(email=email, name=name, password=password, role=role, created=by.at)
    )
    audit.record(db, by, "create", f"user:{user.id}", email=email, role=role)
    return user


def register(
    db: sqlite3.Connection, by: By, link: str, *, email: str, name: str = "", password: str
) -> User:
    """Add a user who holds an invitation or the first admin's link. Raises `Unauthenticated` where
    it is not valid.

    An invitation for one address makes the account of that address, whatever `email` says.
    """
    used = links.use(db, by, link, "invitation", "first-admin")
    if used.kind == "first-admin" and any(USERS.where(db, role="admin")):
        raise Conflict("there is an admin already: ask them for an invitation")
    return create(db, by, email=used.email or email, name=name, password=password, role=used.role)


def change(
    db: sqlite3.Connection,
    by: By,
    user: int,
    *,
    name: str | UnsetType = UNSET,
    role: Role | UnsetType = UNSET,
    disabled: bool | UnsetType = UNSET,
) -> User:
    """Change what is given. Raises `Conflict` where no admin would be left."""
    found = get(db, user)
    fields.refuse(name=fields.text(name), role=fields.role(role))
    if role == "user" or disabled is True:
        _keep_an_admin(db, found)
    given = {
        k: v
        for k, v in {"name": name, "role": role, "disabled": disabled}.items()
        if v is not UNSET
    }
    if given:
        USERS.update(db, user, **given)
        audit.record(db, by, "change", f"user:{user}", **given)
    if disabled is True:
        sessions.close_all(db, by, user)
    return get(db, user)


def set_password(
    db: sqlite3.Connection, by: By, user: int, password: str, *, keep: int | None = None
) -> None:
    """Set a new password and end the user's web sessions, except one to `keep`."""
    get(db, user)
    USERS.update(db, user, password=password)
    audit.record(db, by, "new password", f"user:{user}")
    sessions.close_all(db, by, user, keep=keep)


def remove(db: sqlite3.Connection, by: By, user: int) -> None:
    """Remove a user with tokens and sessions. Raises `Conflict` while they own devices or are the
    last admin.
    """
    found = get(db, user)
    owned = sum(1 for _ in DEVICES.where(db, owner=user))
    if owned:
        raise Conflict(
            f"{found.email} owns {owned} device(s): remove them, or give them to another user, first"
        )
    _keep_an_admin(db, found)
    USERS.delete(db, user)
    audit.record(db, by, "remove", f"user:{user}", email=found.email)


def _keep_an_admin(db: sqlite3.Connection, leaving: User) -> None:
    admins = [user for user in USERS.where(db, role="admin", disabled=0) if user.id != leaving.id]
    if leaving.role == "admin" and not admins:
        raise Conflict(f"{leaving.email} is the last admin: make another one first")
