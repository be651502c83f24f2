"""Principals: who asks, on whichever entrance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.access.keys import fingerprint

if TYPE_CHECKING:
    from gateway.store.registry import Device, Scope, Token, User, WebSession


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in, and how far that reaches.

    `key` names it for ever: `device:kitchen`, `user:7`, `token:12`, `claim:BOARD`. `owner`: the
    user whose devices it sees, for a device the one it belongs to. `device`, `claim`: set if it is
    a device, or a board that may only announce itself. `admin`: its user is one. `devices`: what a
    token is limited to. `expires`: ms since 1970 UTC. `proof` names what it signed in with, so that
    a replaced key, a revoked token or a closed session ends it.
    """

    key: str
    name: str
    scope: Scope
    owner: int | None = None
    device: str | None = None
    claim: str | None = None
    admin: bool = False
    devices: frozenset[str] | None = None
    expires: int | None = None
    proof: str = ""


def of_device(device: Device, *, proof: str | None = None) -> Principal:
    """Return the principal of a device that showed its key, or another `proof`."""
    return Principal(
        key=f"device:{device.id}",
        name=device.id,
        scope="write",
        owner=device.owner,
        device=device.id,
        proof=proof or f"key:{fingerprint(device.key_hash)}",
    )


def of_session(session: WebSession, user: User) -> Principal:
    """Return the principal of a user with a web session."""
    return Principal(
        key=f"user:{user.id}",
        name=user.email,
        scope="admin",
        owner=user.id,
        admin=user.role == "admin",
        expires=session.expires,
        proof=f"session:{session.id}",
    )


def of_token(token: Token, user: User) -> Principal:
    """Return the principal of a token, which reaches as far as its user at most."""
    return Principal(
        key=f"token:{token.id}",
        name=token.name or f"token {token.id} of {user.email}",
        scope=token.scope,
        owner=user.id,
        admin=user.role == "admin",
        devices=token.devices,
        expires=token.expires,
        proof=f"token:{token.id}",
    )


def of_claim(board: str) -> Principal:
    """Return the principal of a board that showed the claim code: it may announce itself and
    nothing else.
    """
    return Principal(key=f"claim:{board}", name=board, scope="read", claim=board)
