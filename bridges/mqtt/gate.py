"""The gate: what an MQTT engine asks of the gateway.

It answers who may do what, and turns messages into entries. What depends only on the sender and the
topic is worked out once and kept in a `Target`; per message there is the payload to translate, and
nothing to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gateway.access.policy import Action
from gateway.bridges.mqtt.link import MqttLink
from gateway.broker.port import Room, Target
from gateway.errors import GatewayError
from gateway.store.facts import rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.journal import Journal
    from gateway.access.policy import Policy
    from gateway.access.principal import Principal
    from gateway.bridges.mqtt.claiming import Claiming
    from gateway.bridges.mqtt.routes import Routes
    from gateway.bridges.mqtt.speakers import Speakers
    from gateway.bridges.mqtt.translation import Translation
    from gateway.broker.port import Connection, Credentials, Departure, Done, Message
    from gateway.commands import Command
    from gateway.frames import Entry
    from gateway.intake import Intake
    from gateway.presence import Presence
    from gateway.shapes import Clock, TellOfDevice
    from gateway.store.facts import Fact


EVERYBODY = Room()
HUB = Room(packet_size=4 << 20)
LISTENER = Room(subscriptions=5_000)


class MqttGate:
    """Implements `gateway.broker.port.Gate` on the core. `clock`: ms since 1970 UTC."""

    def __init__(
        self,
        *,
        sign_in: Callable[[Credentials], Principal],
        known: Callable[[str], Principal | None],
        policy: Policy,
        routes: Routes,
        translation: Translation,
        speakers: Speakers,
        claiming: Claiming,
        intake: Intake,
        presence: Presence,
        ready: TellOfDevice,
        refused: Callable[[Command, str], None],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._sign_in = sign_in
        self._known = known
        self._policy = policy
        self._routes = routes
        self._translation = translation
        self._speakers = speakers
        self._claiming = claiming
        self._intake = intake
        self._presence = presence
        self._ready = ready
        self._refused = refused
        self._journal = journal
        self._clock = clock
        self._links: dict[Connection, MqttLink] = {}
        self.rejected = 0

    def sign_in(self, credentials: Credentials) -> Principal:
        return self._sign_in(credentials)

    def known(self, key: str) -> Principal | None:
        return self._known(key)

    def introduced(self, identity: Any, client_id: str, will: tuple[str, bytes] | None) -> None:
        if identity.device is not None:
            self._speakers.introduced(identity.device, client_id, will)

    def room(self, identity: Any) -> Room:
        """Return more for a hub, which announces all in one packet, and for Home Assistant."""
        if identity.device is None:
            return LISTENER if identity.owner is not None else EVERYBODY
        speaker = self._speakers.of(identity.device)
        return HUB if speaker is not None and speaker.hub else EVERYBODY

    def publishing(self, identity: Any, topic: str) -> Target | None:
        if not self._may_publish(identity, topic):
            self._journal.refused(identity.key, "publish refused", topic)
            return None
        if identity.claim is not None:  # of the one topic where the policy lets it publish
            return Target(records=True, translate=self._claiming.of(identity.claim))
        match = self._routes.find(topic)
        if match is None or match.kind == "carried":
            spoken = (
                None if identity.device is None else self._speakers.target(identity.device, topic)
            )
            return spoken or Target(records=False)
        translate = self._translation.of(match, identity)
        if (
            match.kind == "command"
        ):  # the core sends it on, with a life of its own; nobody gets the bare message
            return Target(records=True, retain=False, carried=False, translate=translate)
        return Target(records=True, retain=match.retain, translate=translate)

    def _may_publish(self, identity: Any, topic: str) -> bool:
        """Ask the policy; a device that is not known yet may tell by its topic whose it is."""
        if self._policy.may(identity, Action.PUBLISH, topic):
            return True
        device = identity.device
        told = device is not None and self._speakers.shows(device, topic=topic)
        return told and self._policy.may(identity, Action.PUBLISH, topic)

    def subscribing(self, identity: Any, topic_filter: str) -> bool:
        if identity.device is not None:
            self._speakers.shows(identity.device, topic_filter=topic_filter)
        return self._policy.may(identity, Action.SUBSCRIBE, topic_filter)

    def receiving(self, identity: Any, topic: str) -> bool:
        return self._policy.may(identity, Action.RECEIVE, topic)

    def payer(self, topic: str) -> str | int:
        return self._policy.payer(topic)

    def receive(
        self, messages: Sequence[Message], done: Done, journal: Sequence[Fact] = ()
    ) -> None:
        now = self._clock()
        entries: list[Entry] = []
        facts = list(journal)
        size = 0
        for message in messages:
            translate = message.target.translate if message.target is not None else None
            if translate is None:
                continue
            size += len(message.payload)
            try:
                entries += translate(message.payload, now, message)
            except GatewayError as error:
                facts.append(self._rejection(message, now, error))
        if entries or facts or not self._intake.idle:  # what is acknowledged later keeps its order
            self._intake.submit(entries, done, facts, size)
        else:
            done()

    def _rejection(self, message: Message, now: int, error: GatewayError) -> Fact:
        self.rejected += 1
        match = self._routes.find(message.topic)
        device = match.device if match is not None and match.device else None
        return rejection(now, message.topic, device, str(error), message.payload)

    def connected(self, connection: Connection) -> None:
        device = _device(connection)
        if device is not None:
            link = self._links[connection] = MqttLink(
                device, connection, self._refused, self._speakers.written
            )
            self._presence.connected(link)
            self._speakers.connected(device)
            self._ready(device)
        elif cast("Principal", connection.identity).claim is not None:
            self._claiming.connected(connection)

    def subscribed(self, connection: Connection, topic_filter: str) -> None:
        device = _device(connection)
        if device is not None:
            self._ready(device)
            for child in self._speakers.subscribed(connection, device):
                self._ready(child)

    def disconnected(self, connection: Connection, reason: Departure) -> None:
        self._claiming.disconnected(connection)
        link = self._links.pop(connection, None)
        if link is not None:
            self._presence.disconnected(link, reason)
            self._speakers.disconnected(link.device, self._clock())


def _device(connection: Connection) -> str | None:
    return cast("Principal", connection.identity).device
