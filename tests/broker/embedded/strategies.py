"""Hypothesis strategies for every packet that a side may send in a version, valid by the
standard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gateway.broker.embedded.codec import reasons
from gateway.broker.embedded.codec.decode import Sender
from gateway.broker.embedded.codec.packets import (
    EMPTY,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.broker.embedded.codec.packets import Packet

VERSIONS = (3, 4, 5)

packet_ids = st.integers(1, 0xFFFF)
two_bytes = st.integers(0, 0xFFFF)
four_bytes = st.integers(0, 0xFFFFFFFF)
flags = st.integers(0, 1)
data = st.binary(max_size=40)
qos = st.integers(0, 2)


def texts(*, without: str = "", min_size: int = 0) -> st.SearchStrategy[str]:
    """Text that a UTF-8 string of MQTT may hold."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0" + without)
    return st.text(letters, min_size=min_size, max_size=12)


topic_names = texts(without="+#", min_size=1)


@st.composite
def topic_filters(draw: st.DrawFn) -> str:
    """A topic filter with wildcards only where they may stand, and not shared."""
    levels = draw(st.lists(st.just("+") | texts(without="+#/"), min_size=1, max_size=5))
    if draw(st.booleans()):
        levels.append("#")
    topic_filter = "/".join(levels)
    return topic_filter if topic_filter and not topic_filter.startswith("$share") else "a"


_VALUES: dict[str, st.SearchStrategy[object]] = {
    "payload_format_indicator": flags,
    "message_expiry_interval": four_bytes,
    "content_type": texts(),
    "response_topic": topic_names,
    "correlation_data": data,
    "session_expiry_interval": four_bytes,
    "assigned_client_identifier": texts(),
    "server_keep_alive": two_bytes,
    "request_problem_information": flags,
    "will_delay_interval": four_bytes,
    "request_response_information": flags,
    "response_information": texts(),
    "server_reference": texts(),
    "reason_string": texts(),
    "receive_maximum": st.integers(1, 0xFFFF),
    "topic_alias_maximum": two_bytes,
    "topic_alias": st.integers(1, 0xFFFF),
    "maximum_qos": flags,
    "retain_available": flags,
    "maximum_packet_size": st.integers(1, 0xFFFFFFFF),
    "wildcard_subscription_available": flags,
    "subscription_identifier_available": flags,
    "shared_subscription_available": flags,
    "user_property": st.lists(st.tuples(texts(), texts()), max_size=3).map(tuple),
    "authentication_method": texts(),
    "authentication_data": data,
}
_MESSAGE = (
    "payload_format_indicator",
    "message_expiry_interval",
    "content_type",
    "response_topic",
    "correlation_data",
    "user_property",
)
_CONNECT = (
    "session_expiry_interval",
    "receive_maximum",
    "maximum_packet_size",
    "topic_alias_maximum",
    "user_property",
)
_IDENTIFIERS = st.integers(1, 268_435_455)


@st.composite
def properties(
    draw: st.DrawFn, names: Sequence[str], version: int = 5, **more: object
) -> Properties:
    """Any of the named properties, and `more` always; in versions before 5 none."""
    if version < 5:
        return EMPTY
    chosen = draw(st.sets(st.sampled_from(names)))
    made = Properties(**{name: draw(_VALUES[name]) for name in names if name in chosen}, **more)
    return EMPTY if made == EMPTY else made


def reason_properties(version: int) -> st.SearchStrategy[Properties]:
    """The properties of an answer."""
    return properties(("reason_string", "user_property"), version)


@st.composite
def connects(draw: st.DrawFn, version: int) -> Connect:
    """A CONNECT."""
    message = (*_MESSAGE, "will_delay_interval")
    wills = st.builds(Will, topic_names, data, qos, st.booleans(), properties(message, version))
    username = draw(st.none() | texts())
    password = draw(st.none() | data) if version == 5 or username is not None else None
    auth = {}
    if draw(st.booleans()):
        auth = {
            "authentication_method": draw(texts()),
            "authentication_data": draw(st.none() | data),
        }
    names = (*_CONNECT, "request_problem_information", "request_response_information")
    return Connect(
        client_id=draw(texts()),
        protocol_level=version,
        clean_start=draw(st.booleans()),
        keep_alive=draw(two_bytes),
        username=username,
        password=password,
        will=draw(st.none() | wills),
        properties=draw(properties(names, version, **auth)),
    )


@st.composite
def connacks(draw: st.DrawFn, version: int) -> Connack:
    """A CONNACK."""
    codes = reasons.CONNACK_CODES if version == 5 else reasons.CONNECT_RETURN_CODES
    code = draw(st.sampled_from(sorted(codes)))
    names = [name for name in _VALUES if name.endswith("_available")]
    names += [
        *_CONNECT,
        "assigned_client_identifier",
        "server_keep_alive",
        "response_information",
        "maximum_qos",
    ]
    names += ["server_reference", "reason_string", "authentication_method", "authentication_data"]
    present = draw(st.booleans()) and code == 0
    return Connack(present, code, draw(properties(names, version)))


@st.composite
def publishes(draw: st.DrawFn, version: int, sender: Sender) -> Publish:
    """A PUBLISH."""
    level = draw(qos)
    identifiers = draw(st.lists(_IDENTIFIERS, max_size=3)) if sender is Sender.SERVER else []
    names = (*_MESSAGE, "topic_alias")
    props = draw(properties(names, version, subscription_identifier=tuple(identifiers)))
    return Publish(
        topic="" if props.topic_alias and draw(st.booleans()) else draw(topic_names),
        payload=draw(st.binary(max_size=300)),
        qos=level,
        retain=draw(st.booleans()),
        dup=draw(st.booleans()) if level else False,
        packet_id=draw(packet_ids) if level else 0,
        properties=props,
    )


def answers(version: int) -> st.SearchStrategy[Puback | Pubrec | Pubrel | Pubcomp]:
    """A PUBACK, PUBREC, PUBREL or PUBCOMP."""

    def answer(kind: type, codes: frozenset[int]) -> st.SearchStrategy[Puback]:
        if version < 5:
            return st.builds(kind, packet_ids)
        return st.builds(
            kind, packet_ids, st.sampled_from(sorted(codes)), reason_properties(version)
        )

    return st.one_of(
        answer(Puback, reasons.PUBACK_CODES),
        answer(Pubrec, reasons.PUBREC_CODES),
        answer(Pubrel, reasons.PUBREL_CODES),
        answer(Pubcomp, reasons.PUBCOMP_CODES),
    )


def subscribes(version: int) -> st.SearchStrategy[Subscribe]:
    """A SUBSCRIBE."""
    if version < 5:
        one = st.builds(Subscription, topic_filters(), qos)
        return st.builds(Subscribe, packet_ids, st.lists(one, min_size=1, max_size=3).map(tuple))
    shared = st.builds("$share/{}/{}".format, texts(without="+#/", min_size=1), topic_filters())
    options = (st.booleans(), st.integers(0, 2))
    one = st.builds(Subscription, topic_filters(), qos, st.booleans(), *options)
    one |= st.builds(Subscription, shared, qos, st.just(False), *options)
    plain = properties(("user_property",), version)
    numbered = _IDENTIFIERS.flatmap(
        lambda number: properties(("user_property",), version, subscription_identifier=(number,))
    )
    return st.builds(
        Subscribe, packet_ids, st.lists(one, min_size=1, max_size=3).map(tuple), plain | numbered
    )


def unsubscribes(version: int) -> st.SearchStrategy[Unsubscribe]:
    """An UNSUBSCRIBE."""
    filters = st.lists(topic_filters(), min_size=1, max_size=3).map(tuple)
    return st.builds(Unsubscribe, packet_ids, filters, properties(("user_property",), version))


def _code_lists(codes: frozenset[int]) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.sampled_from(sorted(codes)), min_size=1, max_size=4).map(tuple)


def subacks(version: int) -> st.SearchStrategy[Suback]:
    """A SUBACK."""
    codes = reasons.SUBACK_CODES if version == 5 else reasons.SUBACK_RETURN_CODES
    return st.builds(Suback, packet_ids, _code_lists(codes), reason_properties(version))


def unsubacks(version: int) -> st.SearchStrategy[Unsuback]:
    """An UNSUBACK."""
    if version < 5:
        return st.builds(Unsuback, packet_ids)
    return st.builds(
        Unsuback, packet_ids, _code_lists(reasons.UNSUBACK_CODES), reason_properties(version)
    )


@st.composite
def auths(draw: st.DrawFn, codes: frozenset[int]) -> Auth:
    """An AUTH."""
    names = ("authentication_data", "reason_string", "user_property")
    code = draw(st.sampled_from(sorted(codes)))
    return Auth(code, draw(properties(names, authentication_method=draw(texts()))))


def client_packets(version: int) -> st.SearchStrategy[Packet]:
    """Any packet that a client may send after its CONNECT."""
    common = (
        publishes(version, Sender.CLIENT),
        answers(version),
        subscribes(version),
        unsubscribes(version),
        st.builds(Pingreq),
    )
    if version < 5:
        return st.one_of(*common, st.builds(Disconnect))
    names = ("session_expiry_interval", "reason_string", "user_property")
    codes = st.sampled_from(sorted(reasons.CLIENT_DISCONNECT_CODES))
    disconnects = st.builds(Disconnect, codes, properties(names))
    return st.one_of(*common, disconnects, auths(reasons.CLIENT_AUTH_CODES))


def server_packets(version: int) -> st.SearchStrategy[Packet]:
    """Any packet that a server may send."""
    common = (
        connacks(version),
        publishes(version, Sender.SERVER),
        answers(version),
        subacks(version),
        unsubacks(version),
        st.builds(Pingresp),
    )
    if version < 5:
        return st.one_of(*common)
    names = ("server_reference", "reason_string", "user_property")
    codes = st.sampled_from(sorted(reasons.SERVER_DISCONNECT_CODES))
    disconnects = st.builds(Disconnect, codes, properties(names))
    return st.one_of(*common, disconnects, auths(reasons.SERVER_AUTH_CODES))
