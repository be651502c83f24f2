"""Who sends a request, noted on the request at the moment of signing in.

Every entrance of the HTTP port notes it here, and so every connection has its place counted for the
principal that uses it, whichever bridge it leads to.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from gateway.access.principal import Principal

PRINCIPAL = web.RequestKey("principal", Principal)


class Place(Protocol):
    """A connection's place among all connections."""

    def signed_in(self, principal: Principal) -> None:
        """It is this principal's from now on. Raises `TooMany`, `Unavailable`."""

    def hand_over(self) -> None:
        """Somebody else counts it from now on."""


PLACE = web.RequestKey("place", Place)


def signed_in(request: web.Request, principal: Principal) -> Principal:
    """Note who sends a request, and return that. Raises `TooMany` where they have all the
    connections that one may have, `Unavailable` where all places are taken.
    """
    if PLACE in request:
        request[PLACE].signed_in(principal)
    request[PRINCIPAL] = principal
    return principal
