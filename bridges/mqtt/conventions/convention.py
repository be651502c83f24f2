"""The forms of a convention: how a device is recognised, what it says, how it is told something.

A `Convention` recognises a device by the way in which it connects, and names its `Root`: the topics
that are its own. Its `Dialect` then reads what comes below the root as facts, and writes commands
as messages. A dialect may remember what was announced to it; it knows no clock and no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias


class Hello(NamedTuple):
    """How a connection has shown itself so far: its will, the filters it has subscribed to, and
    the topic of its first message.
    """

    device: str
    client_id: str = ""
    will_topic: str | None = None
    will_payload: bytes = b""
    filters: tuple[str, ...] = ()
    first_topic: str | None = None


class Root(NamedTuple):
    """What topics are a device's own. `topic`: the learned part, as a person would name it.

    `publish`, `subscribe`: topic filters. `hub`: it speaks for other devices too. `shared`: its
    topic is that of many devices, and nobody's. `certain`: not so where the will alone does not
    tell; the next thing that the device does tells more.
    """

    topic: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    hub: bool = False
    shared: bool = False
    certain: bool = True


class Value(NamedTuple):
    """A value of a channel: JSON text on one line; `ts` ms since 1970 where the device says when.

    `child`: the device below the hub that it is of; None for the one that is connected.
    """

    channel: str
    value: str
    ts: int | None = None
    child: str | None = None


class Status(NamedTuple):
    """Whether a device is there, as far as its convention tells."""

    status: Literal["online", "offline", "sleeping"]
    child: str | None = None


class Describe(NamedTuple):
    """What is known of a device, in the form of `about`; it replaces what this convention has said
    of it before.
    """

    about: Mapping[str, Any]
    child: str | None = None


class Claim(NamedTuple):
    """Further topics, as filters, that the device says are its own.

    They become part of its root where they are no other device's; what is not granted is not read.
    """

    topics: tuple[str, ...]


class Removed(NamedTuple):
    """A child that is no longer below this hub."""

    child: str


class Reply(NamedTuple):
    """What answers a command: the oldest unanswered one of that name, or exactly that of `id`.

    `error`: why the device would not do it. Where no command waits, nothing comes of it.
    """

    name: str
    value: str = "null"
    id: str | None = None
    error: str | None = None
    child: str | None = None


class Outgoing(NamedTuple):
    """A message to the device."""

    topic: str
    payload: bytes
    qos: Literal[0, 1, 2] = 0
    retain: bool = False


Fact: TypeAlias = Value | Status | Describe | Claim | Removed | Reply | Outgoing
"""What follows from a message. `Outgoing`: something that the convention wants to ask for."""

Read: TypeAlias = Callable[[bytes], Sequence[Fact]]
"""Makes facts of the payloads of one topic. Raises `Untranslatable` with a reason for a person."""


class Request(NamedTuple):
    """A command to be written: its name and its value (JSON text), and the id of the command."""

    name: str
    value: str
    id: str
    child: str | None = None


class Dialect(Protocol):
    """A convention as one connected device speaks it, below one root."""

    def reader(self, topic: str) -> Read | None:
        """Return what makes facts of that topic's payloads; None where it says nothing to us.

        It is asked once a topic, until a `Describe`, a `Claim` or a `Removed` comes.
        """

    def greeting(self) -> Sequence[Outgoing]:
        """Return what is asked of the device once it is subscribed."""

    def write(self, request: Request) -> Sequence[Outgoing]:
        """Return the messages that carry a command. Raises `Invalid` where it cannot be said."""


class Convention(Protocol):
    """One convention. `name` is what `[conventions] enabled` and `gateway device show` call it."""

    name: str

    def recognise(self, hello: Hello) -> Root | None:
        """Return the root of a device that shows itself like this; None where it is not ours."""

    def rooted(self, topic: str) -> Root:
        """Return the root of a device that a person says is at that topic."""

    def dialect(self, device: str, root: Root) -> Dialect:
        """Return the dialect of a device at its root."""
