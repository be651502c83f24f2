"""Roots: which topics are a device's own by its convention. The policy asks here, as for grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.routes import Match
from gateway.errors import Conflict
from gateway.topics import covers, is_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.bridges.mqtt.conventions.convention import Root

MAX_CLAIMS = 10_000  # topics that a device has claimed beside its root
# Nobody's to claim: the gateway's own, what is told to all, and what hosts say.
RESERVED = ("devices", "gateway", "homeassistant", "tasmota", "esphome", "spBv1.0")


class Roots:
    """Keeps roots by device and by the topics below them. `taken(topic)`: a route has it
    already.
    """

    def __init__(self, taken: Callable[[str], bool]) -> None:
        self._taken = taken
        self._roots: dict[str, Root] = {}
        self._claims: dict[str, set[str]] = {}
        self._owners: dict[str, str] = {}  # what is above `/#` of an own filter, or a claimed topic

    def of(self, device: str) -> Root | None:
        """Return a device's root."""
        return self._roots.get(device)

    def give(self, device: str, root: Root) -> None:
        """Let these topics be a device's own. Raises `Conflict` where they are another's."""
        own = [] if root.shared else list(_own(root))
        for prefix in own:
            if (other := self._other(device, prefix)) is not None:
                raise Conflict(f"the topics below {prefix!r} are those of {other!r}")
        self.take(device)
        self._roots[device] = root
        self._owners.update(dict.fromkeys(own, device))

    def claim(self, device: str, topics: Iterable[str]) -> None:
        """Let further topics be a device's own, those that are nobody's."""
        claims = self._claims.setdefault(device, set())
        for topic in topics:
            prefix = topic.removesuffix("/#")
            free = not is_pattern(prefix) and prefix.partition("/")[0] not in RESERVED
            if free and len(claims) < MAX_CLAIMS and self._other(device, prefix) is None:
                claims.add(prefix)
                self._owners.setdefault(prefix, device)

    def take(self, device: str) -> None:
        """A device has no topics of its own any more."""
        root = self._roots.pop(device, None)
        gone = {*(_own(root) if root is not None else ()), *self._claims.pop(device, ())}
        for prefix in gone:
            if self._owners.get(prefix) == device:
                del self._owners[prefix]

    def routed(self, topic: str) -> bool:
        """Tell whether a topic is the gateway's own, or that of a `[[routes]]` row."""
        return self._taken(topic)

    def find(self, topic: str) -> Match | None:
        """Return whose a topic is; None where it is nobody's."""
        for prefix in _above(topic):
            device = self._owners.get(prefix)
            if device is not None:
                return Match("carried", device, None, "raw", None)
        return None

    def publishes(self, device: str, topic: str) -> bool:
        """Tell whether a device may publish on a topic for its convention's sake."""
        root = self._roots.get(device)
        if root is not None and any(covers(each, topic) for each in root.publish):
            return self._owner(topic) in (None, device)
        return self._owner(topic) == device

    def subscribes(self, device: str, topic_filter: str) -> bool:
        """Tell whether a device may hold a subscription for its convention's sake."""
        root = self._roots.get(device)
        if root is not None and any(covers(each, topic_filter) for each in root.subscribe):
            return True
        return not is_pattern(topic_filter) and self._owner(topic_filter) == device

    def _owner(self, topic: str) -> str | None:
        found = self.find(topic)
        return None if found is None else found.device

    def _other(self, device: str, prefix: str) -> str | None:
        """Return who else has topics at, above or below a prefix; a route's are the gateway's."""
        if self._taken(f"{prefix}/x") or self._taken(prefix):
            return "[[routes]]"
        above = next((d for p in _above(prefix) if (d := self._owners.get(p)) is not None), None)
        if above is not None and above != device:
            return above
        inside = f"{prefix}/"
        return next(
            (d for p, d in self._owners.items() if p.startswith(inside) and d != device), None
        )


def _own(root: Root) -> Iterator[str]:
    """Yield what is above `/#` of the filters that a root has for itself."""
    for each in root.publish:
        prefix = each.removesuffix("/#")
        if prefix != each and not is_pattern(prefix):
            yield prefix


def _above(topic: str) -> Iterator[str]:
    """Yield a topic and what is above it."""
    at = len(topic)
    while at > 0:
        yield topic[:at]
        at = topic.rfind("/", 0, at)
