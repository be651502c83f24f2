"""Signing in, on every entrance: from what a peer offers to its principal, or `Unauthenticated`.

Nothing here waits, except for passwords: a key or a token is one hash, one dict access and one
comparison. Nothing that is wrong changes any state but the bounded counts of `throttle` and
`journal`.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from gateway.access.keys import TOKEN_PREFIX, digest, has_short_key, matches
from gateway.access.principal import Principal, of_claim, of_device
from gateway.access.records import folded
from gateway.errors import TooMany, Unauthenticated

if TYPE_CHECKING:
    from gateway.access.journal import Journal
    from gateway.access.passwords import Passwords
    from gateway.access.registry import Registry
    from gateway.access.throttle import Throttle
    from gateway.broker.port import Credentials
    from gateway.store.registry import Device, User

_NO_KEY = bytes(32)  # the SHA-256 of nothing that anybody knows
_WRONG = "wrong name or key"
_WRONG_PASSWORD = "wrong email or password"  # noqa: S105 - what is said, no secret
_SIGN_UP = "\0sign-up"  # no name that anybody signs in by
_LONGEST = 512  # characters of a name, a key or a token; longer ones are not hashed


class SignIn:
    """Signs principals in. `claim_code`: what a new board shows to announce itself; None: claiming
    is off.
    """

    def __init__(
        self,
        registry: Registry,
        throttle: Throttle,
        journal: Journal,
        passwords: Passwords,
        *,
        claim_code: str | None = None,
    ) -> None:
        self._registry = registry
        self._throttle = throttle
        self._journal = journal
        self._passwords = passwords
        self._claim_code = claim_code

    def mqtt(self, credentials: Credentials) -> Principal:
        """Sign an MQTT client in: a device, a listener (`token`) or a board with the claim code
        (`claim`).
        """
        name, address = credentials.username, credentials.address
        try:
            secret = (credentials.password or b"").decode()
        except UnicodeDecodeError:
            secret = ""
        if name == "token":
            return self.token(secret, address)
        if name == "claim":
            return self.claim(secret, credentials.client_id, address)
        if (
            credentials.certificate is not None
            and name in {None, "", credentials.certificate}
            and not secret
        ):
            return self.certificate(credentials.certificate, address)
        return self.device(name or "", secret, address)

    def device(self, device: str, key: str, address: str = "") -> Principal:
        """Sign a device in by its key."""
        found = self._registry.devices.get(device)
        right = len(key) <= _LONGEST and matches(key, found.key_hash if found else _NO_KEY)
        if found is None or not right:
            raise self._refused(device, address, strict=has_short_key(device))
        return self._let_in(found, of_device(found), address)

    def certificate(self, device: str, address: str = "") -> Principal:
        """Sign a device in by the name in a client certificate that TLS has verified."""
        found = self._registry.devices.get(device)
        if found is None:
            raise self._refused(device, address)
        return self._let_in(found, of_device(found, proof=f"certificate:{device}"), address)

    def token(self, text: str, address: str = "") -> Principal:
        """Sign in by an API token."""
        found = self._registry.token_of(digest(text)) if len(text) <= _LONGEST else None
        if found is None:
            raise self._refused(None, address)
        principal = self._registry.principal(found)
        if principal is None:
            raise Unauthenticated("this token has expired, or its user is disabled")
        self._registry.touch(found.id)
        self._journal.signed_in(principal, address)
        return principal

    def claim(self, code: str, board: str, address: str = "") -> Principal:
        """Sign a board in that shows the claim code; `board` is the name that its answer is sent
        to.

        A code is short enough to guess, so the next one is not looked at before its time has come.
        """
        self._demand_turn(address, "claim")
        right = hmac.compare_digest(digest(code[:_LONGEST]), digest(self._claim_code or ""))
        if not right or not self._claim_code or not board:
            raise self._refused("claim", address)
        return of_claim(board)

    def cookie(self, value: str) -> Principal:
        """Sign a browser in by its session's cookie."""
        found = self._registry.session_of(digest(value)) if len(value) <= _LONGEST else None
        principal = self._registry.principal(found)
        if principal is None:
            raise Unauthenticated("this session has ended: sign in again")
        return principal

    def authorization(
        self, header: str, address: str = "", *, device: str | None = None
    ) -> Principal:
        """Sign in by an `Authorization` header: `Bearer` with a token, or `Basic` with a device and
        its key.

        `device`: whose key a `Bearer` that is no token may be, where the request names one. `Basic`
        takes a token as the password of `token`, too (RFC 7617, RFC 6750).
        """
        scheme, _, value = header.strip().partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer" and value:
            known = device is None or value.startswith(TOKEN_PREFIX)
            return (
                self.token(value, address) if known else self.device(device or "", value, address)
            )
        if scheme.lower() == "basic":
            name, secret = _basic(value)
            return (
                self.token(secret, address)
                if name == "token"
                else self.device(name, secret, address)
            )
        raise Unauthenticated("the Authorization header is neither Bearer nor Basic")

    async def password(self, email: str, password: str, address: str = "") -> User:
        """Return the user whose password this is. An unknown name takes the same time and gets the
        same answer.

        Raises `TooMany` where this name failed too often from this address, without looking at the
        password.
        """
        name = folded(email)[:_LONGEST]
        self._demand_turn(address, name)
        delay = self._throttle.failed(
            address, name
        )  # counted before it is known, or many at once would pass
        user = self._registry.user_of(name)
        try:
            kept = user.password if user else None
            right = await self._passwords.verify(kept, password, address)
        except TooMany as error:
            self._throttle.take_back(address, name)
            error.delay = max(error.delay, delay)
            raise
        if user is None or not right:
            self._journal.failed(name, address)
            raise Unauthenticated(_WRONG_PASSWORD, delay=delay)
        self._throttle.forgive(address, name)
        if user.disabled:
            raise Unauthenticated("this account is disabled")
        return user

    def sign_up(self, address: str) -> None:
        """Count an account that a stranger makes; raises `TooMany` for who makes one after
        another.
        """
        self._demand_turn(address, _SIGN_UP)
        self._throttle.failed(address, _SIGN_UP)

    def _demand_turn(self, address: str, name: str) -> None:
        wait = self._throttle.wait(address, name)
        if wait > 0:
            raise TooMany("too many tries from this address: wait a little", retry_after=wait)

    def _let_in(self, device: Device, principal: Principal, address: str) -> Principal:
        if device.state == "pending":
            raise Unauthenticated("this device waits for approval")
        if self._registry.allowed_device(device.id) is None:
            raise Unauthenticated("this device is disabled")
        self._journal.signed_in(principal, address)
        return principal

    def _refused(self, name: str | None, address: str, *, strict: bool = False) -> Unauthenticated:
        name = None if name is None else name[:_LONGEST]
        self._journal.failed("token" if name is None else name, address)
        return Unauthenticated(_WRONG, delay=self._throttle.failed(address, name, strict=strict))


def _basic(value: str) -> tuple[str, str]:
    try:
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8
        colon = ""
    if not colon:
        raise Unauthenticated("the Authorization header is not Basic base64(name:key)")
    return name, secret
