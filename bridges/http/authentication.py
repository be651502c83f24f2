"""Who asks: a request's principal, and whether it may."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.access.policy import Action
from gateway.access.requests import sign_in_by
from gateway.bridges.edge.door import offer
from gateway.bridges.edge.sender import PRINCIPAL, signed_in
from gateway.errors import NotFound, Unauthenticated
from gateway.store.audit import By

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.policy import Policy, View
    from gateway.access.principal import Principal
    from gateway.access.records import Records
    from gateway.access.sign_in import SignIn
    from gateway.store.registry import Device

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


_DEMANDED = web.RequestKey("demanded", list[tuple[Action, str]])


class Authentication:
    """Finds out who sends a request, and whether that still holds."""

    def __init__(self, sign_in: SignIn, records: Records) -> None:
        self._sign_in = sign_in
        self._records = records

    def still(self, request: web.Request) -> None:
        """Raise `Unauthenticated` where what the principal signed in with was taken back
        meanwhile.
        """
        if not self._records.stands(request[PRINCIPAL]):
            raise Unauthenticated

    def authenticate(self, request: web.Request) -> Principal:
        """Return the principal; raises `Unauthenticated`, `Forbidden`."""
        device = request.match_info.get("id") if "/devices/" in request.path else None
        acts = request.method not in _SAFE
        return signed_in(
            request, sign_in_by(self._sign_in, offer(request), acts=acts, device=device)
        )


class Permission:
    """Asks the policy about a request's principal. `clock`: ms since 1970 UTC.

    What was demanded for a request is demanded once more, by `By.demand`, when its change is made.
    """

    def __init__(self, policy: Policy, records: Records, *, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._records = records
        self._clock = clock

    def may(self, request: web.Request, action: Action, subject: str = "") -> bool:
        return self._policy.may(request[PRINCIPAL], action, subject)

    def demand(self, request: web.Request, action: Action, subject: str = "") -> None:
        """Raise `Unauthenticated`, `NotFound` or `Forbidden`."""
        self._policy.demand(request[PRINCIPAL], action, subject)
        request.setdefault(_DEMANDED, []).append((action, subject))

    def device(self, request: web.Request, action: Action, device: str) -> Device:
        """Return a device that exists and about which the principal may do this."""
        self.demand(request, action, device)
        found = self._records.devices.get(device)
        if found is None:
            raise NotFound(f"there is no device {device[:80]!r}")
        return found

    def view(self, request: web.Request) -> View:
        """Return what the principal sees."""
        return self._policy.view(request[PRINCIPAL])

    def user(self, request: web.Request) -> int:
        """Return the user who asks, with all that they may do; raises `Forbidden` for devices and
        lesser tokens.
        """
        owner = request[PRINCIPAL].owner
        self.demand(request, Action.ACCOUNT, str(owner))
        assert owner is not None  # a principal without a user has no account
        return owner

    def still(self, request: web.Request) -> None:
        """Raise `Unauthenticated` where what the principal signed in with has been taken back
        meanwhile.
        """
        if not self._records.stands(request[PRINCIPAL]):
            raise Unauthenticated

    def again(self, request: web.Request) -> None:
        """Demand what was demanded for this request once more: something has been awaited since."""
        self.still(request)
        for action, subject in request.get(_DEMANDED, []):
            self._policy.demand(request[PRINCIPAL], action, subject)

    def by(self, request: web.Request, actor: str | None = None) -> By:
        """Return who does something, for the audit: the principal, or on an open route the
        `actor`.
        """
        demand = partial(self.again, request) if PRINCIPAL in request else None
        return By(
            actor or request[PRINCIPAL].key, request.remote or "", self._clock(), demand=demand
        )
