"""The evaluation of rules: readings and times go in, events come out; there is no clock here.

Each rule watches every series that its filter matches by itself. It fires when a value is beyond
its bound, for as long as `for` says, and clears when a value has come back to `clear`; or it fires
when nothing came for `silent`, and clears with the next reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.deadlines import Deadlines
from gateway.frames import encode, number_of
from gateway.topics import TopicFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.frames import Entry, Series
    from gateway.rules.form import Rule


class Event(NamedTuple):
    """A rule has fired (`active`) or cleared. `value`: the JSON text of the last reading, None if
    there was none.
    """

    rule: str
    active: bool
    series: Series
    value: str | None
    ts: int

    def json(self) -> bytes:
        """Return what a webhook posts."""
        start = {
            "rule": self.rule,
            "active": self.active,
            "device": self.series.device,
            "channel": self.series.channel,
        }
        return encode(start)[:-1] + f',"ts":{self.ts},"value":{self.value or "null"}}}'.encode()


OnEvent: TypeAlias = "Callable[[Event], None]"


class Bound(NamedTuple):
    """A limit with hysteresis: a rule fires beyond it and clears back at `clear`. `hold`: ms."""

    up: bool
    limit: float
    clear: float
    hold: int

    def beyond(self, number: float) -> bool:
        return number > self.limit if self.up else number < self.limit

    def back(self, number: float) -> bool:
        return number <= self.clear if self.up else number >= self.clear


class Silence(NamedTuple):
    """Nothing came for `after` ms."""

    after: int


class Compiled(NamedTuple):
    """A rule as it is evaluated."""

    name: str
    filter: TopicFilter
    condition: Bound | Silence


def compiled(rule: Rule) -> Compiled:
    """Return what is evaluated of a rule that has no faults."""
    return Compiled(rule.name, TopicFilter(rule.filter), _condition(rule))


def _condition(rule: Rule) -> Bound | Silence:
    if rule.silent is not None:
        return Silence(max(round(rule.silent * 1000), 1))
    up = rule.above is not None
    limit = rule.above if rule.above is not None else rule.below
    assert limit is not None  # the check demands one condition
    clear = limit if rule.clear is None else rule.clear
    return Bound(up, limit, clear, round(rule.hold * 1000))


class _Watch:
    """One rule on one series."""

    __slots__ = ("active", "condition", "heard", "pending", "rule", "series", "value")

    def __init__(self, rule: Compiled, series: Series, now: int) -> None:
        self.rule = rule.name
        self.condition = rule.condition
        self.series = series
        self.active = False
        self.pending = False  # beyond the bound, but not for long enough yet
        self.heard = now
        self.value: str | None = None


class Evaluation:
    """Where all rules stand. `on_event` hears at once when one fires or clears. Times are ms."""

    def __init__(self, rules: Iterable[Rule], on_event: OnEvent) -> None:
        self._rules = tuple(map(compiled, rules))
        self._on_event = on_event
        self._watches: dict[int, tuple[_Watch, ...]] = {}  # by series
        self._deadlines: Deadlines[_Watch] = Deadlines()

    @property
    def filters(self) -> frozenset[TopicFilter]:
        """What the rules watch."""
        return frozenset(rule.filter for rule in self._rules)

    def watch(self, series: Series, now: int) -> tuple[_Watch, ...]:
        """Watch a series; where nothing more comes, it is silent from now on."""
        watches = tuple(
            _Watch(rule, series, now) for rule in self._rules if rule.filter.matches(series.path)
        )
        self._watches[series.id] = watches
        for watch in watches:
            if isinstance(watch.condition, Silence):
                self._deadlines.set(watch, now + watch.condition.after)
        return watches

    def forget(self, device: str) -> None:
        """Watch a device no more."""
        gone = [
            number
            for number, watches in self._watches.items()
            if watches and watches[0].series.device == device
        ]
        for number in gone:
            for watch in self._watches.pop(number):
                self._deadlines.discard(watch)

    def see(self, entries: Iterable[Entry | None], now: int) -> None:
        """Follow readings, in their order."""
        for entry in entries:
            if entry is None:
                continue
            series, ts, value, _ = entry
            watches = self._watches.get(series.id)
            for watch in self.watch(series, now) if watches is None else watches:
                self._see(watch, ts, value, now)

    def _see(self, watch: _Watch, ts: int, value: str, now: int) -> None:
        watch.heard = now
        condition = watch.condition
        if isinstance(condition, Silence):
            watch.value = value
            if watch.active:
                self._turn(watch, now, active=False)
                self._deadlines.set(watch, now + condition.after)
        elif (
            ts >= watch.series.latest_ts and (number := number_of(value)) is not None
        ):  # a late one says nothing of now
            watch.value = value
            self._measure(watch, condition, number, now)

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

    def pass_time(self, now: int) -> None:
        """Fire what has become due."""
        for watch in list(self._deadlines.take(now)):
            condition = watch.condition
            if isinstance(condition, Silence) and (due := watch.heard + condition.after) > now:
                self._deadlines.set(watch, due)
            else:
                self._turn(watch, now, active=True)

    def _turn(self, watch: _Watch, now: int, *, active: bool) -> None:
        watch.active, watch.pending = active, False
        self._on_event(Event(watch.rule, active, watch.series, watch.value, now))
