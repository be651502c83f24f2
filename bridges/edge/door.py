"""The door of the HTTP port: who sends a request, for the bridges that let people and devices in by
themselves.

Any request may show a header or the site's cookie; the small protocols also have `?key=`: a
device's key or a token.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.access.keys import TOKEN_PREFIX
from gateway.access.requests import COOKIE, FOREIGN, Offer, sign_in_by
from gateway.bridges.edge.sender import signed_in
from gateway.errors import Forbidden
from gateway.store.audit import By

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.policy import Action, Policy, View
    from gateway.access.principal import Principal
    from gateway.access.records import Records
    from gateway.access.sign_in import SignIn


def offer(request: web.Request) -> Offer:
    """Return what a request shows of who sends it."""
    return Offer(
        authorization=request.headers.get("Authorization"),
        cookie=request.cookies.get(COOKIE),
        origin=request.headers.get("Origin"),
        site=request.headers.get("Sec-Fetch-Site"),
        host=request.host,
        secure=request.secure,
        address=request.remote or "",
    )


class Door:
    """Lets principals in, and tells what they may."""

    def __init__(self, sign_in: SignIn, policy: Policy, records: Records) -> None:
        self._sign_in = sign_in
        self._policy = policy
        self._records = records

    def who(self, request: web.Request) -> Principal | None:
        """Return whom a request's header or cookie names; None where it has neither. Raises
        `Unauthenticated`.
        """
        shown = offer(request)
        if shown.authorization is None and not shown.cookie:
            return None
        return signed_in(request, sign_in_by(self._sign_in, shown, acts=True))

    def enter(self, request: web.Request, device: str) -> Principal:
        """Return who sends a request that is about a device. Raises `Unauthenticated`,
        `Forbidden`.
        """
        key = request.query.get("key")
        if key is not None:
            return self.key(request, device, key)
        shown = offer(request)
        principal = sign_in_by(self._sign_in, shown, acts=True, device=device)
        if may_be_foreign(shown):
            raise Forbidden("a page of another site may not do this")
        return signed_in(request, principal)

    def before_body(self, request: web.Request) -> None:
        """Sign in who shows what needs no device's name, before a body is read that may have it:
        others may send a short one only. Raises `Unauthenticated`, `Forbidden`.
        """
        scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic" or value.strip().startswith(TOKEN_PREFIX):
            self.who(request)

    def key(self, request: web.Request, device: str, key: str) -> Principal:
        """Return the device that has this key, or whom a token names. Raises `Unauthenticated`."""
        if key.startswith(TOKEN_PREFIX):
            return self.token(request, key)
        return signed_in(request, self._sign_in.device(device, key, request.remote or ""))

    def token(self, request: web.Request, token: str) -> Principal:
        """Return whom a token names. Raises `Unauthenticated`."""
        return signed_in(request, self._sign_in.token(token, request.remote or ""))

    def shows_nothing(self, request: web.Request) -> bool:
        """Tell whether a request has nothing that could sign anybody in."""
        return "key" not in request.query and offer(request).authorization is None

    def demand(self, principal: Principal, action: Action, device: str) -> None:
        """Raise `Unauthenticated`, `NotFound` or `Forbidden` where the principal may not."""
        self._policy.demand(principal, action, device)

    def by(
        self, request: web.Request, principal: Principal, action: Action, device: str, at: int
    ) -> By:
        """Return who makes a change, for the audit; the right to it is demanded when it is made."""
        demand = partial(self._policy.demand, principal, action, device)
        return By(principal.key, request.remote or "", at, demand=demand)

    def may(self, principal: Principal, action: Action) -> bool:
        return self._policy.may(principal, action)

    def view(self, principal: Principal) -> View:
        """Return what the principal sees."""
        return self._policy.view(principal)

    def valid(self, principal: Principal) -> bool:
        """Tell whether a sign-in still holds."""
        return self._records.stands(principal)


def may_be_foreign(shown: Offer) -> bool:
    """Tell whether a page of another site may have made a browser ask: these protocols also
    write by GET.

    Without TLS a browser that follows a link says neither where it comes from nor that it is one,
    but sends its cookie: a cookie then counts for nothing.
    """
    blind = shown.site is None and shown.origin is None and shown.authorization is None
    return shown.site in FOREIGN or (blind and shown.cookie is not None)
