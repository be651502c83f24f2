"""Web sessions: opened with a password or a link, closed one by one or everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import links
from gateway.access.keys import Issued, digest, new_text
from gateway.errors import Unauthenticated
from gateway.store.registry import WebSession

if TYPE_CHECKING:
    from gateway.store.audit import By
    from gateway.store.registry import Tables

LIFETIME = 30 * 24 * 3600 * 1000  # ms
MOST = 50  # of one user; the oldest goes


def open_session(
    tables: Tables, by: By, user: int, *, lifetime: int = LIFETIME
) -> Issued[WebSession]:
    """Sign a user in whose password was right; the secret is the cookie's value. Raises
    `Unauthenticated`.
    """
    found = tables.users.get(user)
    if found is None or found.disabled:
        raise Unauthenticated("this account is disabled")
    for old in list(tables.sessions.where(user=user))[: -MOST + 1]:
        tables.sessions.delete(old.id)
    cookie = new_text()
    session = WebSession(hash=digest(cookie), user=user, created=by.at, expires=by.at + lifetime)
    session = tables.sessions.insert(session)
    tables.note(by, "sign in", f"user:{user}", session=session.id)
    return Issued(session, cookie)


def open_by_link(tables: Tables, by: By, link: str) -> Issued[WebSession]:
    """Sign in the user for whom a sign-in link was made. Raises `Unauthenticated` where it is not
    valid.
    """
    used = links.use(tables, by, link, "sign-in")
    assert used.user is not None  # links.sign_in made it
    return open_session(tables, by, used.user)


def close_session(tables: Tables, by: By, session: int) -> None:
    """Sign one browser out; nothing happens where it is signed out already."""
    found = tables.sessions.get(session)
    if found is not None:
        tables.sessions.delete(session)
        tables.note(by, "sign out", f"user:{found.user}", session=session)


def close_all(tables: Tables, by: By, user: int, *, keep: int | None = None) -> None:
    """Sign a user out everywhere, except from the session to `keep`."""
    for session in list(tables.sessions.where(user=user)):
        if session.id != keep:
            tables.sessions.delete(session.id)
    tables.note(by, "sign out everywhere", f"user:{user}")
