"""Web sessions: opened with a password or a link, closed one by one or everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import links
from gateway.access.keys import Issued, digest, new_text
from gateway.errors import Unauthenticated
from gateway.store.registry import WebSession
from gateway.store.sqlite import audit
from gateway.store.sqlite.registry import USERS, WEB_SESSIONS

if TYPE_CHECKING:
    import sqlite3

    from gateway.store.audit import By

LIFETIME = 30 * 24 * 3600 * 1000  # ms
MOST = 50  # of one user; the oldest goes


def open_session(
    db: sqlite3.Connection, by: By, user: int, *, lifetime: int = LIFETIME
) -> Issued[WebSession]:
    """Sign a user in whose password was right; the secret is the cookie's value. Raises
    `Unauthenticated`.
    """
    found = USERS.get(db, user)
    if found is None or found.disabled:
        raise Unauthenticated("this account is disabled")
    for old in list(WEB_SESSIONS.where(db, user=user))[: -MOST + 1]:
        WEB_SESSIONS.delete(db, old.id)
    cookie = new_text()
    session = WebSession(hash=digest(cookie), user=user, created=by.at, expires=by.at + lifetime)
    session = WEB_SESSIONS.insert(db, session)
    audit.record(db, by, "sign in", f"user:{user}", session=session.id)
    return Issued(session, cookie)


def open_by_link(db: sqlite3.Connection, by: By, link: str) -> Issued[WebSession]:
    """Sign in the user for whom a sign-in link was made. Raises `Unauthenticated` where it is not
    valid.
    """
    used = links.use(db, by, link, "sign-in")
    assert used.user is not None  # links.sign_in made it
    return open_session(db, by, used.user)


def close_session(db: sqlite3.Connection, by: By, session: int) -> None:
    """Sign one browser out; nothing happens where it is signed out already."""
    found = WEB_SESSIONS.get(db, session)
    if found is not None:
        WEB_SESSIONS.delete(db, session)
        audit.record(db, by, "sign out", f"user:{found.user}", session=session)


def close_all(db: sqlite3.Connection, by: By, user: int, *, keep: int | None = None) -> None:
    """Sign a user out everywhere, except from the session to `keep`."""
    for session in list(WEB_SESSIONS.where(db, user=user)):
        if session.id != keep:
            WEB_SESSIONS.delete(db, session.id)
    audit.record(db, by, "sign out everywhere", f"user:{user}")
