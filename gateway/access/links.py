"""Links that work once: they make the first admin, invite a user, or sign a user in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from gateway.access import fields
from gateway.access.keys import Issued, digest, new_text
from gateway.errors import Conflict, NotFound, Unauthenticated
from gateway.store.registry import Link

if TYPE_CHECKING:
    from gateway.store.audit import By
    from gateway.store.registry import LinkKind, Role, Tables

HOUR = 3600 * 1000  # ms
DAY = 24 * HOUR


def first_admin(tables: Tables, by: By) -> Issued[Link]:
    """Make the link whose holder becomes the admin; an earlier one stops. Raises `Conflict` if
    there is an admin.
    """
    if any(tables.users.where(role="admin")):
        raise Conflict("there is an admin already")
    for old in list(tables.links.where(kind="first-admin")):
        tables.links.delete(old.hash)
    return _issue(
        tables,
        by,
        Link(hash=b"", kind="first-admin", role="admin", created=by.at, expires=by.at + DAY),
    )


def invite(
    tables: Tables,
    by: By,
    *,
    email: str | None = None,
    role: Role = "user",
    lifetime: int = 7 * DAY,
) -> Issued[Link]:
    """Invite one user, of this address or of any."""
    email = email.strip() if email else None
    fields.refuse(email=fields.email(email) if email else None, role=fields.role(role))
    if email and any(tables.users.where(email=email)):
        raise Conflict(f"there is a user {email!r} already", fields={"email": "exists already"})
    link = Link(
        hash=b"", kind="invitation", email=email, role=role, created=by.at, expires=by.at + lifetime
    )
    return _issue(tables, by, link)


def sign_in(tables: Tables, by: By, user: int, *, lifetime: int = HOUR) -> Issued[Link]:
    """Make a link that signs a user in once. Raises `NotFound`."""
    if tables.users.get(user) is None:
        raise NotFound(f"there is no user {user}")
    return _issue(
        tables,
        by,
        Link(hash=b"", kind="sign-in", user=user, created=by.at, expires=by.at + lifetime),
    )


def find(tables: Tables, text: str, now: int, *kinds: LinkKind) -> Link:
    """Return the link of this secret and one of these kinds, not yet used nor expired, or raise
    `Unauthenticated`.
    """
    link = tables.links.get(digest(text))
    if link is None or link.kind not in kinds or link.expires <= now:
        raise Unauthenticated("this link is not valid, or no longer: it works once")
    return link


def use(tables: Tables, by: By, text: str, *kinds: LinkKind) -> Link:
    """Return a link and take it away. Raises `Unauthenticated`."""
    link = find(tables, text, by.at, *kinds)
    tables.links.delete(link.hash)
    return link


def _issue(tables: Tables, by: By, link: Link) -> Issued[Link]:
    text = new_text()
    link = tables.links.insert(structs.replace(link, hash=digest(text)))
    tables.note(by, "create", f"{link.kind} link", email=link.email, role=link.role, user=link.user)
    return Issued(link, text)
