"""What public interoperability suites of MQTT brokers ask for, against a whole gateway with its
real gate.

The clients sign in as `token` with an admin's token of scope `write`, and use plain topics that
belong to no device.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from real_gateway import Home, running
from wire_client import (
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Wire,
    answer,
    connect,
    props,
    publish,
    subscribe,
)
from wire_client import disconnect as goodbye
from wire_client import unsubscribe as unsubscribe_packet
from wire_client import will as will_of

from gateway.broker.embedded.codec.packets import (
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
NO_LOCAL, AS_PUBLISHED, IF_NEW, NEVER = 0x04, 0x08, 0x10, 0x20


class Client:
    """A client that answers what it gets, unless it is told to be `deaf`; its messages gather in
    `inbox`.
    """

    def __init__(self, wire: Wire, connack: Connack) -> None:
        self.wire = wire
        self.version = wire.version
        self.connack = connack
        self.deaf = False
        self.inbox: list[Publish] = []

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            self.inbox.append(packet)
        if self.deaf:
            return
        if isinstance(packet, Publish) and packet.qos:
            self.wire.send(answer(PUBACK if packet.qos == 1 else PUBREC, packet.packet_id))
        elif isinstance(packet, Pubrel):
            self.wire.send(answer(PUBCOMP, packet.packet_id))

    async def until(self, wanted: Callable[[Packet], bool]) -> Any:
        """Take what comes up to a packet that is wanted, and return that."""
        while True:
            packet = await self.wire.read()
            assert packet is not None, "the server has closed"
            self._take(packet)
            if wanted(packet):
                return packet

    async def publish(self, topic: str, payload: bytes = b"", qos: int = 0, **more: Any) -> None:
        """Publish, and wait until the server has taken the message in."""
        self.wire.send(publish(self.version, topic, payload, qos, 11, **more))
        if qos == 0:
            await self.settle()
        elif qos == 1:
            await self.until(lambda packet: isinstance(packet, Puback))
        else:
            await self.until(lambda packet: isinstance(packet, Pubrec))
            self.wire.send(answer(PUBREL, 11))
            await self.until(lambda packet: isinstance(packet, Pubcomp))

    async def subscribe(self, *filters: str, options: int = 2, **fields: Any) -> tuple[int, ...]:
        self.wire.send(subscribe(self.version, 21, *((one, options) for one in filters), **fields))
        return (await self.until(lambda packet: isinstance(packet, Suback))).reason_codes

    async def unsubscribe(self, *filters: str) -> None:
        self.wire.send(unsubscribe_packet(self.version, 22, *filters))
        await self.until(lambda packet: isinstance(packet, Unsuback))

    async def settle(self) -> None:
        """Take what has been sent by now."""
        for _ in range(2):
            self.wire.send(PINGREQ)
            await self.until(lambda packet: isinstance(packet, Pingresp))

    async def messages(self, count: int) -> list[Publish]:
        """Return the next messages, and hold that there are no more."""
        while len(self.inbox) < count:
            await self.until(lambda packet: isinstance(packet, Publish))
        await self.settle()
        found, self.inbox = self.inbox, []
        assert len(found) == count, found
        return found

    async def payloads(self, count: int) -> list[bytes]:
        return [message.payload for message in await self.messages(count)]

    async def leave(self, **fields: Any) -> None:
        """Say goodbye, and wait until the server has closed."""
        self.wire.send(goodbye(self.version, **fields))
        await self.wire.rest()


class Site:
    """A gateway and those who connect to it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.wires: list[Wire] = []

    async def dial(self, version: int) -> Wire:
        wire = await Wire.dial(self.home.port, version)
        self.wires.append(wire)
        return wire

    async def join(
        self,
        version: int,
        client_id: str = "myclientid",
        *,
        clean: bool = True,
        keep_alive: int = 60,
        username: str = "token",
        password: str | None = None,
        will: bytes = b"",
        will_flags: int = 0x04,
        **fields: Any,
    ) -> Client:
        """Connect as the admin; MQTT 5 clients that are not clean keep their session for a
        while.
        """
        if not clean:
            fields.setdefault("session_expiry_interval", 99_999)
        wire = await self.dial(version)
        wire.send(
            connect(
                version,
                client_id,
                clean=clean,
                keep_alive=keep_alive,
                will=will,
                will_flags=will_flags,
                username=username,
                password=(password or self.home.token).encode(),
                properties=props(version, **fields),
            )
        )
        answer_ = await wire.get(Connack)
        assert answer_.reason_code == 0
        return Client(wire, answer_)

    def connections(self) -> int:
        return len(list(self.home.gateway.mqtt.broker.connections()))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A gateway of its own."""
    async with running(tmp_path) as home:
        site = Site(home)
        yield site
        for wire in site.wires:
            await wire.close()


async def gone(site: Site, connections: int) -> None:
    """Wait until the server has no more connections than this."""
    async with asyncio.timeout(10):
        while site.connections() > connections:
            await asyncio.sleep(0.002)


async def test_basic(site, version):
    """A client comes, goes, comes again, and gets what it publishes with every QoS."""
    await (await site.join(version)).leave()
    client = await site.join(version)
    assert await client.subscribe(TOPICS[0]) == (2,)
    for qos in (0, 1, 2):
        await client.publish(TOPICS[0], b"qos %d" % qos, qos)
    assert await client.payloads(3) == [b"qos 0", b"qos 1", b"qos 2"]
    client.wire.send(
        connect(version, "myclientid", username="token", password=site.home.token.encode())
    )
    await client.wire.cut_off(0x82)
    wire = await site.dial(version)
    wire.send(connect(version, name="hj", username="token", password=site.home.token.encode()))
    await wire.turned_away(0x84, 1)


@pytest.mark.parametrize(
    "topics", [("fromb/qos 0", "fromb/qos 1", "fromb/qos2", "fromb/+"), (*TOPICS[1:4], "+/+")]
)
async def test_retained_messages(site, version, topics):
    """Three are kept with their QoS, sent to a new subscription, and taken away by empty ones."""
    *names, wildcard = topics
    client = await site.join(version)
    for qos, name in enumerate(names):
        await client.publish(name, b"qos %d" % qos, qos, retain=True)
    await client.subscribe(wildcard)
    found = await client.messages(3)
    assert sorted((one.topic, one.qos, one.retain) for one in found) == sorted(
        (name, qos, True) for qos, name in enumerate(names)
    )
    await client.leave()
    client = await site.join(version)
    for qos, name in enumerate(names):
        await client.publish(name, b"", qos, retain=True)
    await client.subscribe(wildcard)
    assert await client.messages(0) == []


async def test_topics_with_a_dollar(site, version):
    """Nothing of the sort reaches a filter that begins with a wildcard, and what may not be
    published is answered.
    """
    client = await site.join(version)
    await client.subscribe("+/+", "#")
    for retain in (False, True):
        await client.publish("$TopicA/B", b"x", 1, retain=retain)
    assert await client.messages(0) == []
    await client.subscribe("#")
    assert await client.messages(0) == []


async def test_an_empty_client_id(site, version):
    """It is assigned where the session is clean; before MQTT 5 it is refused otherwise."""
    client = await site.join(version, "")
    assert (client.connack.properties.assigned_client_identifier is not None) == (version == 5)
    wire = await site.dial(version)
    wire.send(
        connect(version, "", clean=False, username="token", password=site.home.token.encode())
    )
    assert (await wire.get(Connack)).reason_code == (2 if version == 4 else 0)


async def test_messages_for_who_is_away(site, version):
    """QoS 1 and 2 are kept for a session without a connection."""
    client = await site.join(version, clean=False)
    await client.subscribe("+/+")
    await client.leave()
    other = await site.join(version, "myclientid2")
    for qos in (0, 1, 2):
        await other.publish(TOPICS[qos + 1], b"qos %d" % qos, qos)
    client = await site.join(version, clean=False)
    assert client.connack.session_present
    assert await client.payloads(2) == [b"qos 1", b"qos 2"]


async def test_overlapping_subscriptions(site, version):
    """One copy with the greatest QoS."""
    client = await site.join(version)
    await client.subscribe("TopicA/#", options=2)
    await client.subscribe("TopicA/+", options=1)
    await client.publish(TOPICS[3], b"overlapping topic filters", 2)
    assert [one.qos for one in await client.messages(1)] == [2]


async def test_keep_alive(site, version):
    """Who is silent for too long is cut off, and the will is published."""
    watch = await site.join(version, "myclientid2", keep_alive=0)
    await watch.subscribe(TOPICS[4])
    silent = await site.join(
        version, keep_alive=5, will=will_of(version, TOPICS[4], b"keepalive expiry")
    )
    site.home.after(9)
    await silent.wire.cut_off(0x8D)
    assert await watch.payloads(1) == [b"keepalive expiry"]


@pytest.mark.parametrize("retain", [False, True])
async def test_a_will(site, version, retain):
    """The will of a client that is lost reaches who is subscribed, and later ones where it is
    retained.
    """
    watch = await site.join(version, "myclientid2", clean=False)
    await watch.subscribe(TOPICS[2])
    lost = await site.join(
        version,
        will=will_of(version, TOPICS[2], b"client not disconnected"),
        will_flags=0x04 | retain << 5,
        keep_alive=2,
    )
    lost.wire.abort()
    assert await watch.payloads(1) == [b"client not disconnected"]
    late = await site.join(version, "late")
    await late.subscribe(TOPICS[2])
    assert await late.payloads(int(retain)) == [b"client not disconnected"] * retain


async def test_redelivery_on_reconnect(site, version):
    """What was not acknowledged is sent again, with its packet id and DUP."""
    client = await site.join(version, "myclientid2", clean=False)
    await client.subscribe("TopicA/#")
    client.deaf = True
    other = await site.join(version)
    await other.publish(TOPICS[1], b"1", 1)
    await other.publish(TOPICS[3], b"2", 2)
    before = await client.messages(2)
    await client.leave()
    client = await site.join(version, "myclientid2", clean=False)
    after = await client.messages(2)
    assert [(one.packet_id, one.payload, one.dup) for one in after] == [
        (one.packet_id, one.payload, True) for one in before
    ]
    await client.leave()
    client = await site.join(version, "myclientid2", clean=False)
    assert await client.messages(0) == []


async def test_a_subscription_that_is_refused(site, version):
    """A device that was not granted a topic is told so in the SUBACK, and gets nothing of it."""
    key = await site.home.add("board", grants=("TopicA/#",))
    device = await site.join(version, "board", username="board", password=key)
    codes = await device.subscribe("test/nosubscribe", "TopicA/+", "#")
    assert codes == ((0x87, 2, 0x87) if version == 5 else (0x80, 2, 0x80))
    admin = await site.join(version)
    await admin.publish("test/nosubscribe", b"no", 1)
    await admin.publish("TopicA/B", b"yes", 1)
    assert await device.payloads(1) == [b"yes"]
    await device.publish("TopicA/C", b"granted", 1)
    assert await device.payloads(1) == [b"granted"]


async def test_unsubscribe(site, version):
    """What is unsubscribed comes no more, the rest does."""
    client = await site.join(version, "myclientid2")
    await client.subscribe(*TOPICS[:3])
    await client.unsubscribe(TOPICS[0])
    other = await site.join(version)
    for topic in TOPICS[:3]:
        await other.publish(topic, topic.encode(), 1)
    assert await client.payloads(2) == [topic.encode() for topic in TOPICS[1:3]]


async def test_session_expiry(site):
    """A session ends with its connection, or so long after as CONNECT or DISCONNECT ask."""

    async def present(expiry: int, *, clean: bool = False, **at_disconnect: int) -> bool:
        client = await site.join(5, clean=clean, session_expiry_interval=expiry)
        await client.subscribe(TOPICS[0])
        await client.leave(**at_disconnect)
        return client.connack.session_present

    assert not await present(0, clean=True)
    assert not await present(0)
    assert not await present(5, clean=True)
    site.home.after(2)
    assert await present(5)
    site.home.after(6)
    assert not await present(5)
    assert not await present(1, clean=True, session_expiry_interval=5)
    site.home.after(3)
    assert await present(1, session_expiry_interval=0)
    assert not await present(1)


async def test_properties_of_retained_messages(site):
    """They are kept with the message, for every QoS."""
    pairs = (("a", "2"), ("c", "3"))
    client = await site.join(5)
    for qos in (0, 1, 2):
        await client.publish(TOPICS[qos + 1], b"x", qos, retain=True, user_property=pairs)
    await client.subscribe("+/+")
    assert [one.properties.user_property for one in await client.messages(3)] == [pairs] * 3


@pytest.mark.parametrize(
    "fields",
    [
        {"user_property": (("a", "2"), ("c", "3"))},
        {"payload_format_indicator": 1, "content_type": "My name"},
        {"response_topic": TOPICS[0], "correlation_data": b"334"},
    ],
)
async def test_properties_of_messages(site, fields):
    """They come with the message, for every QoS."""
    client = await site.join(5)
    await client.subscribe(TOPICS[0])
    for qos in (0, 1, 2):
        await client.publish(TOPICS[0], b"", qos, **fields)
    found = await client.messages(3)
    assert {one.qos for one in found} == {0, 1, 2}
    for one in found:
        assert {name: getattr(one.properties, name) for name in fields} == fields


async def test_publication_expiry(site):
    """What has waited too long for a client that is away is not delivered; the rest says what is
    left.
    """
    away = await site.join(5, "myclientid2", clean=False)
    await away.subscribe(TOPICS[0])
    await away.leave(session_expiry_interval=999_999_999)
    client = await site.join(5)
    for seconds in (1, 6):
        for qos in (1, 2):
            await client.publish(TOPICS[0], b"%d" % seconds, qos, message_expiry_interval=seconds)
    site.home.after(3)
    away = await site.join(5, "myclientid2", clean=False)
    found = await away.messages(2)
    assert [one.payload for one in found] == [b"6", b"6"]
    assert all(one.properties.message_expiry_interval < 6 for one in found)


async def test_no_local(site):
    """A client does not get what it publishes; others do."""
    one, two = await site.join(5), await site.join(5, "myclientid2")
    await one.subscribe(TOPICS[0], options=2 | NO_LOCAL)
    await two.subscribe(TOPICS[0], options=2 | NO_LOCAL)
    await one.publish(TOPICS[0], b"noLocal test", 1)
    assert await one.messages(0) == []
    assert await two.payloads(1) == [b"noLocal test"]


async def test_retain_as_published(site):
    """RETAIN comes as it was set."""
    client = await site.join(5)
    await client.subscribe(TOPICS[0], options=2 | AS_PUBLISHED)
    await client.publish(TOPICS[0], b"no", 1)
    await client.publish(TOPICS[0], b"yes", 1, retain=True)
    assert [one.retain for one in await client.messages(2)] == [False, True]


@pytest.mark.parametrize(
    ("handling", "first", "second"), [(0, 3, 3), (IF_NEW, 3, 0), (NEVER, 0, 0)]
)
async def test_retain_handling(site, handling, first, second):
    """Retained messages come with each SUBSCRIBE, with a new subscription, or never."""
    client = await site.join(5)
    for qos in (0, 1, 2):
        await client.publish(TOPICS[qos + 1], b"qos %d" % qos, qos, retain=True)
    for count in (first, second):
        await client.subscribe("+/+", options=2 | handling)
        found = await client.messages(count)
        assert {one.qos for one in found} == ({0, 1, 2} if count else set())


async def test_subscription_identifiers(site):
    """A message names the subscriptions that it comes for."""
    one, two = await site.join(5), await site.join(5, "myclientid2")
    await one.subscribe(TOPICS[0], subscription_identifier=(456_789,))
    await two.subscribe(TOPICS[0], subscription_identifier=(2,))
    await two.subscribe(TOPICS[0] + "/#", subscription_identifier=(3,))
    await two.publish(TOPICS[0], b"sub identifier test", 1)
    assert [message.properties.subscription_identifier for message in await one.messages(1)] == [
        (456_789,)
    ]
    assert [
        set(message.properties.subscription_identifier) for message in await two.messages(1)
    ] == [{2, 3}]


async def test_request_and_response(site):
    """A request says where its answer goes, and the answer comes there."""
    asks, answers = await site.join(5), await site.join(5, "myclientid2")
    await asks.subscribe(TOPICS[0], options=2 | NO_LOCAL)
    await answers.subscribe(TOPICS[0], options=2 | NO_LOCAL)
    await asks.publish(TOPICS[0], b"request", 1, response_topic=TOPICS[0], correlation_data=b"334")
    (request,) = await answers.messages(1)
    asked = request.properties
    await answers.publish(
        asked.response_topic, b"response", 1, correlation_data=asked.correlation_data
    )
    (response,) = await asks.messages(1)
    assert (response.payload, response.properties.correlation_data) == (b"response", b"334")


async def test_topic_aliases_of_the_client(site):
    """An alias holds for one connection; 0 and one that is not set end it."""
    client = await site.join(5)
    client.wire.send(publish(5, TOPICS[0], b"", 1, raw=b"\x23\0\0"))
    await client.wire.cut_off(0x94)
    client = await site.join(5, clean=False, topic_alias_maximum=0)
    assert client.connack.properties.topic_alias_maximum
    await client.subscribe(TOPICS[0])
    await client.publish(TOPICS[0], b"1", 1, topic_alias=1)
    await client.publish("", b"2", 1, topic_alias=1)
    assert await client.payloads(2) == [b"1", b"2"]
    await client.leave()
    client = await site.join(5, clean=False)
    await client.publish(TOPICS[0], b"3", 1)
    assert await client.payloads(1) == [b"3"]
    client.wire.send(publish(5, "", b"4", 1, topic_alias=1))
    await client.wire.cut_off(0x82)


@pytest.mark.parametrize("maximum", [None, 0, 1])
async def test_topic_aliases_of_the_server(site, maximum):
    """Where the client takes one, the first message sets it and the next ones have no topic."""
    client = await site.join(5, topic_alias_maximum=maximum)
    await client.subscribe(TOPICS[0])
    for qos in (0, 1, 2):
        await client.publish(TOPICS[0], b"x", qos)
    found = await client.messages(3)
    aliases = [one.properties.topic_alias for one in found]
    assert aliases == ([1, 1, 1] if maximum else [None] * 3)
    assert [one.topic for one in found] == ([TOPICS[0], "", ""] if maximum else [TOPICS[0]] * 3)


async def test_maximum_packet_size(site):
    """Neither side sends what the other does not take."""
    client = await site.join(5, maximum_packet_size=64)
    await client.subscribe(TOPICS[0])
    await client.publish(TOPICS[0], b"." * 32)
    await client.publish(TOPICS[0], b"." * 64, 1)
    assert await client.payloads(1) == [b"." * 32]
    largest = client.connack.properties.maximum_packet_size
    client.wire.send(publish(5, TOPICS[0], b"." * largest))
    assert await client.wire.rest() == [Disconnect(0x95)]


async def test_server_keep_alive(site):
    """Who asks for longer silences than the server bears is told how long they may be, and held to
    that.
    """
    for asked in (60, 120, 0):
        client = await site.join(5, keep_alive=asked)
        granted = client.connack.properties.server_keep_alive
        assert granted is None or 0 < granted < (asked or 65_536)
        site.home.after(1.5 * (granted or asked) + 1)
        await client.wire.cut_off(0x8D)


async def test_flow_control_of_the_server(site):
    """Of three messages a client that takes two at once gets the third when it has acknowledged
    one.
    """
    client = await site.join(5, receive_maximum=2)
    await client.subscribe(TOPICS[0])
    client.deaf = True
    for number in range(3):
        await client.publish(TOPICS[0], b"%d" % number, 1)
    first, _ = await client.messages(2)
    client.wire.send(answer(PUBACK, first.packet_id))
    assert await client.payloads(1) == [b"2"]


async def test_flow_control_of_the_client(site):
    """One QoS 2 message more than the server takes at once ends the connection with 0x93."""
    client = await site.join(5)
    most = client.connack.properties.receive_maximum or 65_535
    for number in range(1, most + 2):
        client.wire.send(publish(5, TOPICS[0], b"message", 2, number))
        await client.wire.drain()
    found = await client.wire.rest()
    assert found[-1] == Disconnect(0x93)


@pytest.mark.parametrize(
    ("delay", "expiry", "early", "due"), [(3, 5, 2, 2), (5, 0, 0, 0), (5, 2, 1, 2)]
)
async def test_will_delay(site, delay, expiry, early, due):
    """The will comes when its delay has passed or the session has ended."""
    watch = await site.join(5, "myclientid2")
    await watch.subscribe(TOPICS[0])
    will = will_of(5, TOPICS[0], b"will message", will_delay_interval=delay)
    client = await site.join(5, will=will, session_expiry_interval=expiry)
    client.wire.abort()
    await gone(site, 1)
    if early:
        site.home.after(early)
        assert await watch.messages(0) == []
        site.home.after(due)
    assert await watch.payloads(1) == [b"will message"]


async def test_shared_subscriptions(site):
    """Each message goes to all plain subscribers, and to one of those who share."""
    one, two = await site.join(5), await site.join(5, "myclientid2")
    for client in (one, two):
        await client.subscribe("$share/sharename/x", TOPICS[0])
    for number in range(6):
        await two.publish(TOPICS[0], b"%d" % number)
        await two.publish("x", b"shared %d" % number)
    for client in (one, two):
        await client.settle()
    plain = [[message.topic for message in client.inbox].count(TOPICS[0]) for client in (one, two)]
    shared = [[message.topic for message in client.inbox].count("x") for client in (one, two)]
    assert plain == [6, 6]
    assert shared == [3, 3]


async def test_clean_up_of_retained_messages(site, version):
    """An admin who subscribes to everything sees what is retained and can take it away."""
    client = await site.join(version)
    for topic in TOPICS:
        await client.publish(topic, b"x", 1, retain=True)
    await client.subscribe("#", options=0)
    for message in await client.messages(len(TOPICS)):
        await client.publish(message.topic, b"", 0, retain=True)
    await client.leave()
    client = await site.join(version)
    await client.subscribe("#", options=0)
    assert await client.messages(0) == []
