"""Webhooks: posts to other people's servers, signed, in order, tried again with a growing pause.

Signed as Standard Webhooks (standardwebhooks.com) has it: `webhook-id` names the post and is the
same in every attempt, `webhook-timestamp` is in seconds, `webhook-signature` is `v1,` and the
base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from gateway.signing import signature, signing_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.shapes import Clock

log = logging.getLogger(__name__)

WAITING = 100  # posts of one webhook
ATTEMPTS = 10
PAUSE_FIRST, PAUSE_LAST = 1.0, 300.0  # s
TIMEOUT = 10.0  # s
AGAIN = frozenset({408, 425, 429})


class _Post(NamedTuple):
    id: str
    body: bytes


class Webhook:
    """One place to post to. It has a task while something waits; then the oldest goes first.

    `clock`: ms since 1970 UTC. `pause(seconds)` waits between attempts.
    """

    def __init__(
        self,
        name: str,
        url: str,
        secret: str | None,
        *,
        session: aiohttp.ClientSession,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.dropped = 0
        self._lost = 0  # since the last that was taken
        self._name = name
        self._url = url
        self._key = None if secret is None else signing_key(secret)
        self._session = session
        self._clock = clock
        self._pause = pause
        self._waiting: deque[_Post] = deque()
        self._task: asyncio.Task[None] | None = None

    def post(self, body: bytes) -> None:
        """Post JSON soon; where too much waits already, the oldest is dropped."""
        if len(self._waiting) >= WAITING:
            self._drop("too many wait")
        self._waiting.append(_Post(f"msg_{secrets.token_hex(12)}", body))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"webhook {self._name}")

    async def close(self) -> None:
        """Post no more; what waits is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        while self._waiting:
            self._drop("the gateway stops")

    def _drop(self, why: str) -> None:
        post = self._waiting.popleft()
        self.dropped += 1
        self._lost += 1
        if self._lost == 1:  # the others are counted, and told of when one gets through
            log.warning("webhook %s: %s is dropped: %s", self._name, post.body.decode(), why)

    async def _work(self) -> None:
        try:
            while self._waiting:
                post = self._waiting[0]
                why = await self._deliver(post)
                if not self._waiting or self._waiting[0] is not post:
                    continue  # it was dropped meanwhile
                if why is None:
                    self._waiting.popleft()
                    self._recovered()
                else:
                    self._drop(why)
        finally:
            self._task = None

    def _recovered(self) -> None:
        if self._lost > 1:
            log.warning("webhook %s: takes posts again; %d were dropped", self._name, self._lost)
        self._lost = 0

    async def _deliver(self, post: _Post) -> str | None:
        """Try until it is taken; return why it was given up, if it was."""
        pause = PAUSE_FIRST
        for attempt in range(1, ATTEMPTS + 1):
            why, again = await self._attempt(post)
            if why is None or not again:
                return why
            if attempt == ATTEMPTS:
                break
            log.info("webhook %s: %s; trying again", self._name, why)
            await self._pause(pause * random.uniform(0.8, 1.2))  # noqa: S311  # no secret; so that not all come at once
            pause = min(pause * 2, PAUSE_LAST)
        return f"{why}, {ATTEMPTS} times"

    async def _attempt(self, post: _Post) -> tuple[str | None, bool]:
        """Post once; return what went wrong, and whether another attempt may help."""
        try:
            async with self._session.post(
                self._url,
                data=post.body,
                headers=self._headers(post),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as answer:
                if 200 <= answer.status < 300:
                    return None, False
                return (
                    f"the server answers {answer.status}",
                    answer.status >= 500 or answer.status in AGAIN,
                )
        except ValueError as error:  # not a URL; some of these are also client errors
            return (
                f"its URL cannot be used ({type(error).__name__})",
                False,
            )  # it may hold a password
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__} {error}".strip(), True

    def _headers(self, post: _Post) -> dict[str, str]:
        timestamp = self._clock() // 1000
        headers = {
            "content-type": "application/json",
            "webhook-id": post.id,
            "webhook-timestamp": str(timestamp),
        }
        if self._key is not None:
            headers["webhook-signature"] = signature(self._key, post.id, timestamp, post.body)
        return headers


class Webhooks:
    """All webhooks, over one session. `clock`: ms since 1970 UTC."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._hooks: list[Webhook] = []

    @property
    def dropped(self) -> int:
        """How many posts were given up."""
        return sum(hook.dropped for hook in self._hooks)

    def hook(self, name: str, url: str, secret: str | None) -> Callable[[bytes], None]:
        """Return what posts to a URL; call it on the event loop. Raises `Invalid` where the secret
        is none.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession()
        made = Webhook(name, url, secret, session=self._session, clock=self._clock)
        self._hooks.append(made)
        return made.post

    async def close(self) -> None:
        """Post no more."""
        for hook in self._hooks:
            await hook.close()
        if self._session is not None:
            await self._session.close()
