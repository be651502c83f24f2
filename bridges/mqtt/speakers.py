"""Speakers: devices that speak a convention, and what is made of their words.

A device is recognised by its will, its subscriptions or its first topic; from then on the topics
below its root are its own, and its dialect turns messages into frames and commands into messages.
What it says of itself and its children goes to the registry; a child's values wait until it is
there.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from gateway.about import fitting
from gateway.bridges.mqtt.conventions.convention import (
    Claim,
    Describe,
    Hello,
    Outgoing,
    Removed,
    Reply,
    Request,
    Status,
    Value,
)
from gateway.bridges.mqtt.conventions.table import BY_NAME, recognised
from gateway.bridges.mqtt.link import MqttLink
from gateway.broker.port import Message, Target
from gateway.errors import Conflict, GatewayError, Unavailable
from gateway.frames import received_extra
from gateway.payloads.reading import DAY
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gateway.access.journal import Journal
    from gateway.access.registry import Registry
    from gateway.bridges.mqtt.conventions.convention import Convention, Dialect, Fact, Read, Root
    from gateway.bridges.mqtt.registrar import Registrar
    from gateway.bridges.mqtt.roots import Roots
    from gateway.broker.port import Connection
    from gateway.catalog import Catalog
    from gateway.commands import Command, Commands
    from gateway.frames import Entry, Series
    from gateway.intake import Intake
    from gateway.links import Link
    from gateway.presence import Presence

MAX_READERS = 10_000  # topics of a device whose reader is kept
MAX_WAITING = 1_000  # values of children that are not in the registry yet, of a hub
MAX_FILTERS = 100  # of a device that is not known yet, to recognise it by


class Speaker:
    """One device that speaks a convention."""

    __slots__ = (
        "children",
        "convention",
        "device",
        "dialect",
        "greeted",
        "hub",
        "readers",
        "recorded",
        "root",
        "series",
        "waiting",
    )  # fmt: skip

    def __init__(self, device: str, convention: Convention, root: Root, *, recorded: bool) -> None:
        self.device = device
        self.recorded = recorded  # the registry knows of it, and has the last word
        self.convention = convention
        self.root = root
        self.hub = root.hub
        self.dialect: Dialect = convention.dialect(device, root)
        self.readers: dict[str, Read | None] = {}
        self.series: dict[tuple[str, str], Series] = {}
        self.children: dict[str, bool] = {}  # queried -> whether it is there
        self.waiting: deque[tuple[Value | Status, int]] = deque(maxlen=MAX_WAITING)
        self.greeted = False

    def reader(self, topic: str) -> Read | None:
        """Return what reads a topic."""
        try:
            return self.readers[topic]
        except KeyError:
            if len(self.readers) >= MAX_READERS:
                self.readers.clear()
            read = self.readers[topic] = self.dialect.reader(topic)
            return read


class Speakers:
    """Keeps them. `conventions`: those that are enabled."""

    def __init__(
        self,
        conventions: Sequence[Convention],
        *,
        registry: Registry,
        roots: Roots,
        registrar: Registrar,
        intake: Intake,
        catalog: Catalog,
        presence: Presence,
        commands: Commands,
        journal: Journal,
    ) -> None:
        self._conventions = conventions
        self._registry = registry
        self._roots = roots
        self._registrar = registrar
        self._intake = intake
        self._catalog = catalog
        self._presence = presence
        self._commands = commands
        self._journal = journal
        self._hellos: dict[str, Hello] = {}
        self._speakers: dict[str, Speaker] = {}

    def start(self) -> None:
        """Take up those that were recognised before."""
        for device in list(self._registry.devices.values()):
            convention = BY_NAME.get(device.convention)
            if convention in self._conventions and convention is not None:
                topic = device.root or convention.name
                self._begin(device.id, convention, convention.rooted(topic), keep=False)

    def of(self, device: str) -> Speaker | None:
        """Return what speaks for a device: itself, or its hub."""
        found = self._speakers.get(device)
        if found is not None:
            return found
        known = self._registry.devices.get(device)
        return None if known is None or known.parent is None else self._speakers.get(known.parent)

    # Recognition

    def introduced(self, device: str, client_id: str, will: tuple[str, bytes] | None) -> None:
        """A device has signed in; this is its will, topic and payload."""
        if not self._conventions or device in self._speakers:
            return
        topic, payload = will or (None, b"")
        if topic is not None and self._roots.routed(topic):
            return  # it speaks the gateway's own way
        self._hellos[device] = Hello(device, client_id, topic, payload)
        self._recognise(device)

    def shows(self, device: str, *, topic: str | None = None, topic_filter: str = "") -> bool:
        """A device that is not known for certain publishes or subscribes there; tell whether that
        has told whose it is.
        """
        hello = self._hellos.get(device)
        if hello is None:
            return False
        if topic_filter and len(hello.filters) < MAX_FILTERS:
            hello = hello._replace(filters=(*hello.filters, topic_filter))
        if topic is not None and hello.first_topic is None:
            hello = hello._replace(first_topic=topic)
        self._hellos[device] = hello
        return self._recognise(device)

    def _recognise(self, device: str) -> bool:
        hello = self._hellos[device]
        try:
            found = recognised(self._conventions, hello)
            if found is None:
                return False
            convention, root = found
            if root.certain:
                del self._hellos[device]
                self._begin(device, convention, root, keep=True)
            else:
                self._roots.give(device, root)
        except Conflict as error:
            self._hellos.pop(device, None)
            self._journal.refused(f"device:{device}", f"root refused: {error}", device)
            self._registrar.describe(device, device, {"model": f"not let in: {error}"[:200]})
            return False
        return True

    def _begin(self, device: str, convention: Convention, root: Root, *, keep: bool) -> None:
        try:
            self._roots.give(device, root)
        except Conflict:
            if keep:
                raise
            return
        self._speakers[device] = Speaker(device, convention, root, recorded=not keep)
        if keep:
            topic = "" if root.shared else root.topic
            then = partial(self._recorded, device)
            self._registrar.recognise(device, convention.name, topic, then)

    def _recorded(self, device: str, there: bool) -> None:
        speaker = self._speakers.get(device)
        if speaker is not None and there:
            speaker.recorded = True
        elif not there:
            self.forget(device)

    def assign(self, device: str, convention: str, root: str) -> None:
        """The registry says how a device speaks, or by nothing that it does not."""
        speaker = self._speakers.get(device)
        if speaker is None and not convention:
            return
        if speaker is not None and (not speaker.recorded or _is(speaker, convention, root)):
            return
        self.forget(device)
        found = BY_NAME.get(convention)
        if found is not None and found in self._conventions:
            self._begin(device, found, found.rooted(root or found.name), keep=False)

    def forget(self, device: str) -> None:
        """A device is gone, or speaks no convention any more."""
        self._hellos.pop(device, None)
        self._speakers.pop(device, None)
        self._roots.take(device)
        for speaker in self._speakers.values():
            if speaker.children.pop(device, None) is not None:
                speaker.series = {k: v for k, v in speaker.series.items() if k[0] != device}

    # Connections

    def connected(self, device: str) -> None:
        """A device's connection is there; it is greeted when it has subscribed."""
        speaker = self._speakers.get(device)
        if speaker is not None:
            speaker.greeted = False

    def subscribed(self, connection: Connection, device: str) -> Collection[str]:
        """A subscription is active; return the children that can be told something by it."""
        speaker = self._speakers.get(device)
        if speaker is None:
            return ()
        if not speaker.greeted:
            greeting = speaker.dialect.greeting()
            sent = [self._send(connection, message) for message in greeting]
            speaker.greeted = all(sent)
        return self._registry.children(device) if speaker.hub else ()

    def disconnected(self, device: str, now: int) -> None:
        """A hub's last connection has ended: its children are not reached, and so not online."""
        speaker = self._speakers.get(device)
        if speaker is None or not speaker.hub or self._presence.links(device):
            return
        entries = []
        for child in self._registry.children(device):
            if self._presence.is_online(child):
                entries += self._presence.reported(child, "offline", now)
        if entries:
            self._intake.submit(entries)

    def _send(self, connection: Connection, message: Outgoing) -> bool:
        return connection.send(_message(message), _nothing) is not None

    # Messages in

    def target(self, device: str, topic: str) -> Target | None:
        """Return what becomes of a device's messages on a topic below its root."""
        speaker = self._speakers.get(device)
        if speaker is None:
            return None

        def translate(payload: bytes, now: int, message: Message) -> Sequence[Entry]:
            read = speaker.reader(topic)
            return () if read is None else self._entries(speaker, read(payload), now, message)

        return Target(records=True, translate=translate)

    def _entries(
        self, speaker: Speaker, facts: Iterable[Fact], now: int, message: Message
    ) -> list[Entry]:
        entries: list[Entry] = []
        for fact in facts:
            if isinstance(fact, Value):
                self._value(speaker, fact, now, entries)
            else:
                self._other(speaker, fact, now, message, entries)
        return entries

    def _value(self, speaker: Speaker, fact: Value, now: int, entries: list[Entry]) -> None:
        child = fact.child
        if child is not None and not speaker.children.get(child):
            self._awaited(speaker, child, fact, now)
            return
        device = child or speaker.device
        key = (device, fact.channel)
        series = speaker.series.get(key)
        if series is None:
            channel = check_channel(fact.channel)
            series = speaker.series[key] = self._catalog.series("telemetry", device, channel)
        if fact.ts is None or not 0 <= fact.ts <= now + DAY:
            entries.append((series, now, fact.value, ""))
        else:
            entries.append((series, fact.ts, fact.value, received_extra(now)))
        if child is not None and not self._presence.is_online(child):
            entries += self._presence.reported(child, "online", now)

    def _other(
        self, speaker: Speaker, fact: Fact, now: int, message: Message, entries: list[Entry]
    ) -> None:
        if isinstance(fact, Status):
            self._status(speaker, fact, now, entries)
        elif isinstance(fact, Describe):
            self._describe(speaker, fact)
        elif isinstance(fact, Reply):
            entries += self._reply(speaker, fact, now)
        elif isinstance(fact, Claim):
            self._roots.claim(speaker.device, fact.topics)
            speaker.readers.clear()
        elif isinstance(fact, Removed):
            speaker.readers.clear()
            self._registrar.remove(speaker.device, fact.child)
        elif isinstance(fact, Outgoing) and message.origin is not None:
            self._send(message.origin, fact)

    def _status(self, speaker: Speaker, fact: Status, now: int, entries: list[Entry]) -> None:
        """A child's presence is its convention's word; that of the device itself its connection."""
        if fact.child is None or fact.status == "sleeping":
            return
        if not speaker.children.get(fact.child):
            self._awaited(speaker, fact.child, fact, now)
        elif self._presence.is_online(fact.child) != (fact.status == "online"):
            entries += self._presence.reported(fact.child, fact.status, now)

    def _describe(self, speaker: Speaker, fact: Describe) -> None:
        speaker.readers.clear()
        about = fitting(fact.about)
        device = fact.child or speaker.device
        if fact.child is not None:
            self._adopt(speaker, fact.child)
        known = self._registry.abouts.get(device)
        if known is None or known.known != about:
            self._registrar.describe(speaker.device, device, about)

    def _reply(self, speaker: Speaker, fact: Reply, now: int) -> list[Entry]:
        device = fact.child or speaker.device
        correlation = None if fact.id is None else fact.id.encode()
        if fact.error is not None:
            self._commands.declined(device, fact.name, correlation, fact.error)
            return []
        if not self._commands.awaits(device, fact.name, correlation):
            return []
        return self._commands.replied(device, fact.name, fact.value, correlation, now)

    # Children

    def _adopt(self, speaker: Speaker, child: str) -> None:
        if child not in speaker.children:
            known = self._registry.devices.get(child)
            there = known is not None and known.parent == speaker.device
            speaker.children[child] = there
            if not there:
                then = partial(self._adopted, speaker, child)
                self._registrar.adopt(speaker.device, child, then)

    def _awaited(self, speaker: Speaker, child: str, fact: Value | Status, now: int) -> None:
        """Keep what a child says until it is in the registry; what a refused one says is
        dropped.
        """
        self._adopt(speaker, child)
        speaker.waiting.append((fact, now))
        if speaker.children.get(child):
            self._adopted(speaker, child, True)

    def _adopted(self, speaker: Speaker, child: str, there: bool) -> None:
        if self._speakers.get(speaker.device) is not speaker:
            return
        speaker.children[child] = there
        mine = [each for each in speaker.waiting if each[0].child == child]
        speaker.waiting = deque(
            (each for each in speaker.waiting if each[0].child != child), MAX_WAITING
        )
        entries: list[Entry] = []
        for fact, now in mine if there else ():
            try:
                if isinstance(fact, Value):
                    self._value(speaker, fact, now, entries)
                else:
                    self._status(speaker, fact, now, entries)
            except GatewayError:
                continue  # a channel that does not fit; the next message of it is rejected
        if entries:
            self._intake.submit(entries)

    # Commands

    def links(self, device: str) -> Sequence[Link]:
        """Return the links of a child: those of its hub."""
        known = self._registry.devices.get(device)
        if known is None or known.parent is None:
            return ()
        hub = self._presence.links(known.parent)
        return [link.to(device) for link in hub if isinstance(link, MqttLink)]

    def written(self, command: Command) -> list[Message] | None:
        """Return what a command is as messages; None for a device that speaks no convention.

        Raises `Invalid` where its convention cannot say it.
        """
        speaker = self.of(command.device)
        if speaker is None:
            return None
        child = None if command.device == speaker.device else command.device
        request = Request(command.name, command.value, command.id, child)
        messages = [_message(each) for each in speaker.dialect.write(request)]
        if not messages:
            raise Unavailable(f"{speaker.convention.name} has no message for {command.name!r}")
        return messages


def _is(speaker: Speaker, convention: str, root: str) -> bool:
    same = speaker.root.shared or speaker.root.topic == root
    return speaker.convention.name == convention and same


def _message(sent: Outgoing) -> Message:
    return Message(topic=sent.topic, payload=sent.payload, qos=sent.qos, retain=sent.retain)


def _nothing() -> None:
    return
