"""Rules: what happens when a value crosses a bound, or a channel falls silent, without code.

Rules are compiled once; a mistake is one clear line. Each watches every channel that its filter
matches by itself. A rule fires when a value is beyond its bound, for as long as `for` says, and
clears when a value has come back to `clear`; or it fires when nothing came for `silent`, and clears
with the next reading. Frames that rules publish fire no rule: there are no loops. After a restart
everything is watched afresh.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway import actions
from gateway.actions import ActionTable, Event
from gateway.deadlines import Deadlines
from gateway.errors import GatewayError, Invalid, Unavailable
from gateway.frames import is_of_rule, number_of
from gateway.hub import Encoding, Group
from gateway.topics import TopicFilter
from gateway.webhooks import signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from gateway.actions import Act, Actions
    from gateway.catalog import Catalog
    from gateway.frames import Entry, Series
    from gateway.hub import Hub

log = logging.getLogger(__name__)

SWEEP = 0.25  # s
MAX_LATER = 1_000  # actions that wait for storage


class RuleTable(ActionTable, Protocol):
    """`[[rules]]`, as the config has it: one of above, below and silent; `hold` and `silent` in
    seconds.
    """

    @property
    def filter(self) -> str: ...
    @property
    def above(self) -> float | None: ...
    @property
    def below(self) -> float | None: ...
    @property
    def clear(self) -> float | None: ...
    @property
    def hold(self) -> float: ...
    @property
    def silent(self) -> float | None: ...


class Bound(NamedTuple):
    """A limit with hysteresis: beyond it a rule fires, back at `clear` it clears. `hold`: ms."""

    up: bool
    limit: float
    clear: float
    hold: int

    def beyond(self, number: float) -> bool:
        return number > self.limit if self.up else number < self.limit

    def back(self, number: float) -> bool:
        return number <= self.clear if self.up else number >= self.clear


class Rule(NamedTuple):
    """A compiled rule: a bound, or `silent` ms."""

    name: str
    filter: TopicFilter
    bound: Bound | None
    silent: int
    acts: tuple[Act, ...]


class _Watch:
    """One rule on one series."""

    __slots__ = ("active", "heard", "pending", "rule", "series", "value")

    def __init__(self, rule: Rule, series: Series, now: int) -> None:
        self.rule = rule
        self.series = series
        self.active = False
        self.pending = False  # beyond the bound, but not for long enough yet
        self.heard = now
        self.value: str | None = None


def compiled(table: RuleTable, doing: Actions) -> Rule:
    """Compile one rule; raises `Invalid` with a line that names it."""
    check(table)
    silent = 0 if table.silent is None else max(round(table.silent * 1000), 1)
    return Rule(table.name, TopicFilter(table.filter), _bound(table), silent, doing.of(table))


def check(table: RuleTable) -> None:
    """Raise `Invalid` with a line that names the rule and what is wrong with it."""
    try:
        TopicFilter(table.filter)
        if (_bound(table) is None) == (table.silent is None):
            raise Invalid("expected one of above, below and silent")
        actions.check(table)
        if table.webhook is not None and table.webhook.secret is not None:
            signing_key(table.webhook.secret)
    except (Invalid, TypeError) as error:
        raise Invalid(f"[[rules]] {table.name!r}: {error}") from error


def _bound(table: RuleTable) -> Bound | None:
    if table.above is not None and table.below is not None:
        raise Invalid("expected one of above and below")
    up = table.above is not None
    limit = table.above if up else table.below
    if limit is None:
        return None
    clear = limit if table.clear is None else table.clear
    if clear != limit and (clear > limit) == up:
        raise Invalid(
            f"clear: {clear:g} is beyond the bound, {limit:g}: the rule would clear before it fires"
        )
    return Bound(up, limit, clear, round(table.hold * 1000))


class _All:
    """The hub's view of one who sees everything."""

    key: Hashable = ("rules",)

    def sees(self, device: str) -> bool:
        return True


def _form(seq: int, entry: Entry, data: bytes) -> Entry | None:
    return entry if entry[0].type == "telemetry" and not is_of_rule(entry[3]) else None


_ENCODING = Encoding(frame=_form, join=lambda parts: parts)


class Rules:
    """Watches for compiled rules. `start`, then let `run` be a task. `clock`: ms since 1970 UTC."""

    def __init__(
        self, rules: Iterable[Rule], *, hub: Hub, catalog: Catalog, clock: Callable[[], int]
    ) -> None:
        self._rules = tuple(rules)
        self._hub = hub
        self._catalog = catalog
        self._clock = clock
        self._group: Group | None = None
        self._watches: dict[int, tuple[_Watch, ...]] = {}  # by series
        self._deadlines: Deadlines[_Watch] = Deadlines()
        self._later: deque[Callable[[], None]] = deque()

    def start(self) -> None:
        """Watch from now on; what is known already and says nothing more is silent from now on."""
        if not self._rules:
            return
        now = self._clock()
        filters = frozenset(rule.filter for rule in self._rules)
        for series in list(self._catalog.all()):
            if series.type == "telemetry":
                self._watch(series, now)
        self._group = self._hub.join(_ENCODING, filters, _All(), self)

    def stop(self) -> None:
        """Watch no more."""
        if self._group is not None:
            self._hub.leave(self._group, self)
            self._group = None

    def forget(self, device: str) -> None:
        """Watch a removed device no more."""
        for number in [
            n
            for n, watches in self._watches.items()
            if watches and watches[0].series.device == device
        ]:
            for watch in self._watches.pop(number):
                self._deadlines.discard(watch)

    # Readings

    def take(self, joined: list[Entry | None], seq: int) -> None:
        """See what the hub shows."""
        now = self._clock()
        for entry in joined:
            if entry is None:
                continue
            series, ts, value, _ = entry
            watches = self._watches.get(series.id)
            for watch in self._watch(series, now) if watches is None else watches:
                self._see(watch, ts, value, now)

    def _watch(self, series: Series, now: int) -> tuple[_Watch, ...]:
        watches = tuple(
            _Watch(rule, series, now) for rule in self._rules if rule.filter.matches(series.path)
        )
        self._watches[series.id] = watches
        for watch in watches:
            if watch.rule.bound is None:
                self._deadlines.set(watch, now + watch.rule.silent)
        return watches

    def _see(self, watch: _Watch, ts: int, value: str, now: int) -> None:
        watch.heard = now
        bound = watch.rule.bound
        if bound is None:
            watch.value = value
            if watch.active:
                self._turn(watch, now, active=False)
                self._deadlines.set(watch, now + watch.rule.silent)
        elif (
            ts >= watch.series.latest_ts and (number := number_of(value)) is not None
        ):  # a late one says nothing of now
            watch.value = value
            self._measure(watch, bound, number, now)

    def _measure(self, watch: _Watch, bound: Bound, number: float, now: int) -> None:
        if watch.active:
            if bound.back(number):
                self._turn(watch, now, active=False)
        elif not bound.beyond(number):
            watch.pending = False
            self._deadlines.discard(watch)
        elif not bound.hold:
            self._turn(watch, now, active=True)
        elif not watch.pending:
            watch.pending = True
            self._deadlines.set(watch, now + bound.hold)

    def _turn(self, watch: _Watch, now: int, *, active: bool) -> None:
        watch.active, watch.pending = active, False
        event = Event(watch.rule.name, active, watch.series, watch.value, now)
        state = "fires" if active else "clears"
        log.info("rule %s %s: %s %s", event.rule, state, watch.series.path, event.value or "")
        for act in watch.rule.acts:
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

    # Time

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
        for watch in list(self._deadlines.take(now)):
            due = watch.heard + watch.rule.silent
            if watch.rule.bound is None and due > now:
                self._deadlines.set(watch, due)
            else:
                self._turn(watch, now, active=True)
