"""The check of a rule, the only one: which keys contradict each other or cannot be used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.errors import Invalid
from gateway.frames import to_json
from gateway.signing import signing_key
from gateway.topics import TopicFilter, check_channel, check_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.rules.form import Rule

CONDITIONS = ("above", "below", "silent")
ACTIONS = ("command", "publish", "webhook")


class Fault(NamedTuple):
    """What is wrong, and the key it is about, as `("command", "name")`; `()` is the rule itself."""

    path: tuple[str, ...]
    problem: str


def faults(rule: Rule) -> Iterator[Fault]:
    """Find everything that is wrong with a rule whose types are right."""
    yield from _condition(rule)
    if all(getattr(rule, key) is None for key in ACTIONS):
        yield Fault((), "expected something to do: command, publish or webhook")
    for path, read in _readings(rule):
        try:
            read()
        except (Invalid, TypeError, ValueError) as error:
            yield Fault(path, str(error))


def _condition(rule: Rule) -> Iterator[Fault]:
    given = [key for key in CONDITIONS if getattr(rule, key) is not None]
    if len(given) != 1:
        named = f"{', '.join(CONDITIONS[:-1])} and {CONDITIONS[-1]}"
        yield Fault((), f"expected one of {named}, got {' and '.join(given) or 'none'}")
    elif rule.silent is None:
        yield from _hysteresis(rule)
    elif rule.hold or rule.clear is not None:
        key = "for" if rule.hold else "clear"
        yield Fault((key,), "goes with above or below, not with silent")


def _hysteresis(rule: Rule) -> Iterator[Fault]:
    if rule.clear is None:
        return
    if rule.above is not None and rule.clear > rule.above:
        bound, side = f"{_short(rule.above)} (above)", "less"
    elif rule.below is not None and rule.clear < rule.below:
        bound, side = f"{_short(rule.below)} (below)", "more"
    else:
        return
    yield Fault(("clear",), f"expected {bound} or {side}, got {_short(rule.clear)}")


def _readings(rule: Rule) -> Iterator[tuple[tuple[str, ...], Callable[[], Any]]]:
    """Yield each key with what reads it, and raises where it cannot be read."""
    yield ("filter",), partial(TopicFilter, rule.filter)
    if rule.command is not None:
        yield ("command", "name"), partial(check_channel, rule.command.name)
    if rule.publish is not None:
        yield ("publish", "channel"), partial(check_channel, rule.publish.channel)
    for key, part in (("command", rule.command), ("publish", rule.publish)):
        if part is not None:
            yield (key, "value"), partial(to_json, part.value)
            if part.device is not None:
                yield (key, "device"), partial(check_device, part.device)
    if rule.webhook is not None and rule.webhook.secret is not None:
        yield ("webhook", "secret"), partial(signing_key, rule.webhook.secret)


def _short(number: float) -> str:
    """Write a number as people do: 3, not 3.0."""
    return repr(number).removesuffix(".0")
