"""Watching: rules follow what the hub shows and the clock, and what they say is done.

Frames that rules publish fire no rule: there are no loops. After a restart everything is watched
afresh.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import GatewayError, Unavailable
from gateway.frames import is_of_rule
from gateway.hub import Encoding, Group
from gateway.rules.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from gateway.catalog import Catalog
    from gateway.frames import Entry
    from gateway.hub import Hub
    from gateway.rules.actions import Actions
    from gateway.rules.evaluation import Event
    from gateway.rules.form import Rule
    from gateway.shapes import Clock

log = logging.getLogger(__name__)

SWEEP = 0.25  # s
MAX_LATER = 1_000  # actions that wait for storage


class _All:
    """The hub's view of one who sees everything."""

    key: Hashable = ("rules",)

    def sees(self, device: str) -> bool:
        return True


def _form(seq: int, entry: Entry, data: bytes) -> Entry | None:
    return entry if entry[0].type == "telemetry" and not is_of_rule(entry[3]) else None


_ENCODING = Encoding(frame=_form, join=lambda parts: parts)


class Rules:
    """Watches for rules that have no faults, and does what they say. `start`, then let `run` be a
    task.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        actions: Actions,
        *,
        hub: Hub,
        catalog: Catalog,
        clock: Clock,
    ) -> None:
        rules = tuple(rules)
        self._acts = {rule.name: actions.of(rule) for rule in rules}
        self._evaluation = Evaluation(rules, self._event)
        self._hub = hub
        self._catalog = catalog
        self._clock = clock
        self._group: Group | None = None
        self._later: deque[Callable[[], None]] = deque()

    def start(self) -> None:
        """Watch from now on; what is known already and says nothing more is silent from now on."""
        if not self._acts:
            return
        now = self._clock()
        for series in list(self._catalog.all()):
            if series.type == "telemetry":
                self._evaluation.watch(series, now)
        self._group = self._hub.join(_ENCODING, self._evaluation.filters, _All(), self)

    def stop(self) -> None:
        """Watch no more."""
        if self._group is not None:
            self._hub.leave(self._group, self)
            self._group = None

    def forget(self, device: str) -> None:
        """Watch a removed device no more."""
        self._evaluation.forget(device)

    def take(self, joined: list[Entry | None], seq: int) -> None:
        """See what the hub shows."""
        self._evaluation.see(joined, self._clock())

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """Fire what has become due, and do what storage refused before."""
        now = self._clock()
        for _ in range(len(self._later)):
            self._later.popleft()()
        self._evaluation.pass_time(now)

    def _event(self, event: Event) -> None:
        state = "fires" if event.active else "clears"
        log.info("rule %s %s: %s %s", event.rule, state, event.series.path, event.value or "")
        for act in self._acts[event.rule]:
            self._do(partial(act, event), event.rule)

    def _do(self, act: Callable[[], None], rule: str) -> None:
        try:
            act()
        except Unavailable:
            if len(self._later) < MAX_LATER:
                self._later.append(partial(self._do, act, rule))
            else:
                log.error("rule %s: an action is lost: too many wait for storage", rule)
        except GatewayError as error:
            log.error("rule %s: %s", rule, error)
