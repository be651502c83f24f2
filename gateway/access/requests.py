"""Signing in with an HTTP request, whichever bridge has it. Nothing of HTTP here but what four
headers say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from gateway.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from gateway.access.principal import Principal
    from gateway.access.sign_in import SignIn

COOKIE = "gateway_session"
FOREIGN = frozenset({"cross-site", "same-site"})  # Fetch Metadata: another site's page made it ask


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a request shows: `Authorization`, the value of the site's cookie, `Origin`,
    `Sec-Fetch-Site`, `Host`, whether TLS carries it, the peer's address.
    """

    authorization: str | None = None
    cookie: str | None = None
    origin: str | None = None
    site: str | None = None
    secure: bool = False
    host: str = ""
    address: str = ""

    def __repr__(self) -> str:
        return f"Offer(address={self.address!r})"


def sign_in_by(
    sign_in: SignIn, offer: Offer, *, acts: bool, device: str | None = None
) -> Principal:
    """Return the principal of a request. Raises `Unauthenticated`, `Forbidden`.

    `acts`: it may change something, or is a WebSocket, which no browser keeps from other sites'
    pages. What a browser sends along by itself, the cookie and Basic, then counts only from the
    site's own pages. `device`: the one that the request names, whose key a `Bearer` may be.
    """
    if offer.authorization is not None:
        principal = sign_in.authorization(offer.authorization, offer.address, device=device)
        by_itself = offer.authorization.lstrip()[:6].lower() == "basic "
    elif offer.cookie:
        principal, by_itself = sign_in.cookie(offer.cookie), True
    else:
        raise Unauthenticated
    if acts and by_itself:
        demand_same_origin(offer)
    return principal


def demand_same_origin(offer: Offer) -> None:
    """Raise `Forbidden` where a page of another site sends the request; programs, which name no
    origin, may.
    """
    if offer.site in FOREIGN or (offer.origin is not None and not _is_own(offer.origin, offer)):
        raise Forbidden("a page of another site may not do this")


def _is_own(origin: str, offer: Offer) -> bool:
    """Tell whether a page of this origin is the gateway's. Behind a proxy that ends TLS the page is
    https where the request is not; the other way round it is somebody else's.
    """
    try:
        scheme, host, *_ = urlsplit(origin)
    except ValueError:  # no URL at all
        return False
    return host.lower() == offer.host.lower() and (scheme == "https" or not offer.secure)


def set_cookie(value: str, seconds: int, *, secure: bool) -> str:
    """Return the `Set-Cookie` header that gives a browser its session; an empty value takes it
    away.
    """
    kept = f"Max-Age={seconds if value else 0}; Path=/; HttpOnly; SameSite=Lax"
    return f"{COOKIE}={value}; {kept}; Secure" if secure else f"{COOKIE}={value}; {kept}"
