"""Topic names and topic filters as they come in packets: the rules of `gateway.topics`, refused
with MQTT's codes.
"""

from __future__ import annotations

from gateway.broker.embedded.codec.reasons import TopicFilterInvalid, TopicNameInvalid
from gateway.errors import InvalidTopic, ProtocolError
from gateway.topics import check_filter, check_topic


def check_topic_name(topic: str) -> None:
    """Refuse a name to publish under that is empty or holds a wildcard."""
    try:
        check_topic(topic)  # [MQTT-4.7.3-1] [MQTT-4.7.0-1] [MQTT-3.3.2-2], in 3.1.1 [MQTT-4.7.1-1]
    except InvalidTopic as error:
        raise TopicNameInvalid(str(error)) from None


def check_topic_filter(topic_filter: str) -> None:
    """Refuse a filter that is empty or has a wildcard where none may stand."""
    try:
        check_filter(
            topic_filter
        )  # [MQTT-4.7.3-1] [MQTT-4.7.1-1] [MQTT-4.7.1-2], in 3.1.1 [MQTT-4.7.1-3]
    except InvalidTopic as error:
        raise TopicFilterInvalid(str(error)) from None


def check_shared(topic_filter: str, *, no_local: bool) -> None:
    """Refuse a malformed shared subscription of MQTT 5; `check_topic_filter` has been passed."""
    if not topic_filter.startswith("$share/"):
        return
    _, name, *rest = topic_filter.split("/", 2)
    # [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    if not name or "+" in name or "#" in name or not rest or not rest[0]:
        raise TopicFilterInvalid("a shared subscription is $share/NAME/FILTER")
    # [MQTT-3.8.3-4]
    if no_local:
        raise ProtocolError("no local on a shared subscription")
