"""Passwords of people: argon2id, a few at once, never on the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import argon2

from gateway.access.throttle import network
from gateway.errors import Invalid, TooMany

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SHORTEST = 8  # characters
LONGEST = 1024
AT_ONCE = 2  # each takes 19 MB and some 20 ms
WAITING = 128
OF_ADDRESS = 16  # of them from one address
HELD = 2.0  # s that who finds no place waits for the answer, at least


def default_hasher() -> argon2.PasswordHasher:
    """Return argon2id as OWASP recommends it where memory is dear (19 MiB, 2 passes): a Raspberry
    Pi carries it.
    """
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def weakness(text: str) -> str | None:
    """Say what is wrong with a new password."""
    if len(text) < SHORTEST:
        return f"at least {SHORTEST} characters"
    return f"at most {LONGEST} characters" if len(text) > LONGEST else None


def check_password(text: str) -> str:
    """Return a new password as it is, or raise `Invalid`."""
    if problem := weakness(text):
        length = "short" if len(text) < SHORTEST else "long"
        raise Invalid(f"the password is too {length}: {problem}", fields={"password": problem})
    return text


def hash_password(text: str) -> str:
    """Return the argon2id of a new password, on this thread; raises `Invalid` where it is unfit."""
    return default_hasher().hash(check_password(text))


class Passwords:
    """Hashes and verifies on two threads of its own; raises `TooMany` while too many wait, in all
    or from one address.
    """

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or default_hasher()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._waiting: Counter[str] = Counter()
        # What an unknown name is verified against, so that it takes as long as a known one.
        self._nobody = self._hasher.hash("nobody's password")

    async def hash(self, text: str, address: str = "") -> str:
        """Return the argon2id of a new password; raises `Invalid` where it is too short,
        `TooMany`.
        """
        check_password(text)
        return await self._run(address, lambda: self._hasher.hash(text))

    async def verify(self, kept: str | None, text: str, address: str = "") -> bool:
        """Tell whether the password is right. Nobody (None) has none, and takes the same time.
        Raises `TooMany`.
        """
        right = await self._run(
            address, lambda: self._matches(kept or self._nobody, text[:LONGEST])
        )
        return right and kept is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, kept: str, text: str) -> bool:
        try:
            return self._hasher.verify(kept, text)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _run(self, address: str, work: Callable[[], T]) -> T:
        place = network(address)
        if self._waiting.total() >= WAITING or self._waiting[place] >= OF_ADDRESS:
            raise TooMany("too many sign-ins at once: try again", delay=HELD)
        self._waiting[place] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place]
