"""Links that work once: they make the first admin, invite a user, or sign a user in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from gateway.access import fields
from gateway.access.keys import Issued, digest, new_text
from gateway.errors import Conflict, NotFound, Unauthenticated
from gateway.store.registry import Link
from gateway.store.sqlite import audit
from gateway.store.sqlite.registry import LINKS, USERS

if TYPE_CHECKING:
    import sqlite3

    from gateway.store.audit import By
    from gateway.store.registry import LinkKind, Role

HOUR = 3600 * 1000  # ms
DAY = 24 * HOUR


def first_admin(db: sqlite3.Connection, by: By) -> Issued[Link]:
    """Make the link whose holder becomes the admin; an earlier one stops. Raises `Conflict` if
    there is an admin.
    """
    if any(USERS.where(db, role="admin")):
        raise Conflict("there is an admin already")
    for old in list(LINKS.where(db, kind="first-admin")):
        LINKS.delete(db, old.hash)
    return _issue(
        db, by, Link(hash=b"", kind="first-admin", role="admin", created=by.at, expires=by.at + DAY)
    )


def invite(
    db: sqlite3.Connection,
    by: By,
    *,
    email: str | None = None,
    role: Role = "user",
    lifetime: int = 7 * DAY,
) -> Issued[Link]:
    """Invite one user, of this address or of any."""
    email = email.strip() if email else None
    fields.refuse(email=fields.email(email) if email else None, role=fields.role(role))
    if email and any(USERS.where(db, email=email)):
        raise Conflict(f"there is a user {email!r} already", fields={"email": "exists already"})
    link = Link(
        hash=b"", kind="invitation", email=email, role=role, created=by.at, expires=by.at + lifetime
    )
    return _issue(db, by, link)


def sign_in(db: sqlite3.Connection, by: By, user: int, *, lifetime: int = HOUR) -> Issued[Link]:
    """Make a link that signs a user in once. Raises `NotFound`."""
    if USERS.get(db, user) is None:
        raise NotFound(f"there is no user {user}")
    return _issue(
        db, by, Link(hash=b"", kind="sign-in", user=user, created=by.at, expires=by.at + lifetime)
    )


def find(db: sqlite3.Connection, text: str, now: int, *kinds: LinkKind) -> Link:
    """Return the link of this secret and one of these kinds, not yet used nor expired, or raise
    `Unauthenticated`.
    """
    link = LINKS.get(db, digest(text))
    if link is None or link.kind not in kinds or link.expires <= now:
        raise Unauthenticated("this link is not valid, or no longer: it works once")
    return link


def use(db: sqlite3.Connection, by: By, text: str, *kinds: LinkKind) -> Link:
    """Return a link and take it away. Raises `Unauthenticated`."""
    link = find(db, text, by.at, *kinds)
    LINKS.delete(db, link.hash)
    return link


def _issue(db: sqlite3.Connection, by: By, link: Link) -> Issued[Link]:
    text = new_text()
    link = LINKS.insert(db, structs.replace(link, hash=digest(text)))
    audit.record(
        db, by, "create", f"{link.kind} link", email=link.email, role=link.role, user=link.user
    )
    return Issued(link, text)
