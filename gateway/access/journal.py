"""The audit of what happens too often for a transaction each: sign-ins, failures, commands.

Deeds wait in memory and are written about once a second; what a flood brings above the bound is
counted, not kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.access.keys import TOKEN_PREFIX
from gateway.store.audit import Deed
from gateway.store.patience import repeat

if TYPE_CHECKING:
    from gateway.access.principal import Principal
    from gateway.shapes import Clock
    from gateway.store.audit import AuditStore

log = logging.getLogger(__name__)

WAITING = 2_000  # deeds
FLUSH = 1.0  # s
AGAIN = 3600_000  # ms: a principal that signs in from the same address is noted once an hour
REMEMBERED = 20_000
KEPT = 100_000  # routine entries in the audit, and as many others
TRIM = 60.0  # s
FAILURES = 100  # entries about failures at a time
NAME = 80  # characters of a name that failed


class _Failure(NamedTuple):
    """What failed, as the audit has it."""

    actor: str
    action: str
    object: str
    address: str


class Journal:
    """Takes deeds at any rate. `clock`: ms since 1970 UTC. Let `run` run, and `close` at the
    end.
    """

    def __init__(self, store: AuditStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._deeds: list[Deed] = []
        self._failures: Counter[_Failure] = Counter()
        self._lost = 0
        self._trim_at = 0.0  # time of the event loop
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def note(
        self, actor: str, action: str, object_: str = "", address: str = "", **detail: Any
    ) -> None:
        """Note a deed; `detail` is JSON and holds no secret."""
        if len(self._deeds) >= WAITING:
            self._lost += 1
            return
        deed = Deed(
            at=self._clock(),
            actor=actor,
            action=action,
            object=object_,
            address=address,
            detail=detail,
        )
        self._deeds.append(deed)

    def signed_in(self, principal: Principal, address: str) -> None:
        """Note a sign-in with a key or a token, if it is the first one from this address for a
        while.
        """
        who, now = (principal.key, address), self._clock()
        if now - self._seen.get(who, -AGAIN) < AGAIN:
            return
        self.note(principal.key, "sign in", address=address, name=principal.name)
        self._seen[who] = now
        self._seen.move_to_end(who)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def failed(self, name: str, address: str) -> None:
        """Note a sign-in that failed; the same ones within a second make one entry, with their
        count.
        """
        name = TOKEN_PREFIX + "..." if name.startswith(TOKEN_PREFIX) else name[:NAME]
        self._fail(_Failure("", "sign in failed", name, address))

    def refused(self, actor: str, action: str, object_: str) -> None:
        """Note what somebody may not do; the same within a second makes one entry, with its
        count.
        """
        self._fail(_Failure(actor, action, object_[:NAME], ""))

    def _fail(self, failure: _Failure) -> None:
        if failure in self._failures or len(self._failures) < FAILURES:
            self._failures[failure] += 1
        else:
            self._lost += 1

    async def flush(self) -> None:
        """Write what waits. Where the database refuses, only the count of what is lost is kept."""
        deeds, failures, lost = self._deeds, self._failures, self._lost
        if not (deeds or failures or lost):
            return
        now = self._clock()
        more = [
            Deed(at=now, **failure._asdict(), detail={"count": count})
            for failure, count in failures.items()
        ]
        if lost:
            more.append(Deed(at=now, actor="gateway", action="not noted", detail={"count": lost}))
        self._deeds, self._failures, self._lost = [], Counter(), 0
        try:
            await self._store.append([*deeds, *more])
        except Exception:
            self._lost += len(deeds) + sum(failures.values()) + lost
            raise

    async def close(self) -> None:
        """Write what waits, at the end; what a database refuses then is counted in the log."""
        try:
            await self.flush()
        except Exception as error:
            log.warning("the audit lost %d entries at the stop: %s", self._lost, error)

    async def run(self) -> None:
        """Flush and trim until cancelled."""
        await repeat(self._write, FLUSH, "the audit")

    async def _write(self) -> None:
        await self.flush()
        if (now := asyncio.get_running_loop().time()) >= self._trim_at:
            await self._store.trim(KEPT)
            self._trim_at = now + TRIM
