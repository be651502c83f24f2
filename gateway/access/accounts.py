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

if TYPE_CHECKING:
    from gateway.store.audit import By
    from gateway.store.registry import Role, Tables


def find(tables: Tables, email: str) -> User:
    """Return the user of an email address or raise `NotFound`."""
    found = next(tables.users.where(email=email.strip()), None)
    if found is None:
        raise NotFound(f"there is no user {email[:80]!r}")
    return found


def get(tables: Tables, user: int) -> User:
    """Return a user by number or raise `NotFound`."""
    found = tables.users.get(user)
    if found is None:
        raise NotFound(f"there is no user {user}")
    return found


def create(
    tables: Tables,
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
    if any(tables.users.where(email=email)):
        raise Conflict(f"there is a user {email!r} already", fields={"email": "exists already"})
    user = tables.users.insert(
        User(email=email, name=name, password=password, role=role, created=by.at)
    )
    tables.note(by, "create", f"user:{user.id}", email=email, role=role)
    return user


def register(
    tables: Tables, by: By, link: str, *, email: str, name: str = "", password: str
) -> User:
    """Add a user who holds an invitation or the first admin's link. Raises `Unauthenticated` where
    it is not valid.

    An invitation for one address makes the account of that address, whatever `email` says.
    """
    used = links.use(tables, by, link, "invitation", "first-admin")
    if used.kind == "first-admin" and any(tables.users.where(role="admin")):
        raise Conflict("there is an admin already: ask them for an invitation")
    return create(
        tables, by, email=used.email or email, name=name, password=password, role=used.role
    )


def change(
    tables: Tables,
    by: By,
    user: int,
    *,
    name: str | UnsetType = UNSET,
    role: Role | UnsetType = UNSET,
    disabled: bool | UnsetType = UNSET,
) -> User:
    """Change what is given. Raises `Conflict` where no admin would be left."""
    found = get(tables, user)
    fields.refuse(name=fields.text(name), role=fields.role(role))
    if role == "user" or disabled is True:
        _keep_an_admin(tables, found)
    given = {
        k: v
        for k, v in {"name": name, "role": role, "disabled": disabled}.items()
        if v is not UNSET
    }
    if given:
        tables.users.update(user, **given)
        tables.note(by, "change", f"user:{user}", **given)
    if disabled is True:
        sessions.close_all(tables, by, user)
    return get(tables, user)


def set_password(
    tables: Tables, by: By, user: int, password: str, *, keep: int | None = None
) -> None:
    """Set a new password and end the user's web sessions, except one to `keep`."""
    get(tables, user)
    tables.users.update(user, password=password)
    tables.note(by, "new password", f"user:{user}")
    sessions.close_all(tables, by, user, keep=keep)


def remove(tables: Tables, by: By, user: int) -> None:
    """Remove a user with tokens and sessions. Raises `Conflict` while they own devices or are the
    last admin.
    """
    found = get(tables, user)
    owned = sum(1 for _ in tables.devices.where(owner=user))
    if owned:
        raise Conflict(
            f"{found.email} owns {owned} device(s): remove them, or give them to another "
            f"user, first"
        )
    _keep_an_admin(tables, found)
    tables.users.delete(user)
    tables.note(by, "remove", f"user:{user}", email=found.email)


def _keep_an_admin(tables: Tables, leaving: User) -> None:
    admins = [
        user for user in tables.users.where(role="admin", disabled=0) if user.id != leaving.id
    ]
    if leaving.role == "admin" and not admins:
        raise Conflict(f"{leaving.email} is the last admin: make another one first")
