"""What a topic name and a topic filter may look like (4.7, 4.8.2)."""

from __future__ import annotations

from gateway.broker.embedded.reasons import ProtocolError, TopicFilterInvalidError, TopicNameInvalidError


def check_topic_name(topic: str) -> None:
    """Refuse a name to publish under that is empty or holds a wildcard."""
    # [MQTT-4.7.3-1]
    if not topic:
        raise TopicNameInvalidError("a topic name is empty")
    check_no_wildcard(topic)


def check_no_wildcard(topic: str) -> None:
    """Refuse a topic name that holds a wildcard; it may be empty, where a topic alias stands for it."""
    # [MQTT-3.3.2-2] [MQTT-4.7.0-1], in 3.1.1 [MQTT-4.7.1-1]
    if "+" in topic or "#" in topic:
        raise TopicNameInvalidError("a topic name holds a wildcard")


def check_topic_filter(topic_filter: str) -> None:
    """Refuse a filter that is empty or has a wildcard where none may stand."""
    # [MQTT-4.7.3-1]
    if not topic_filter:
        raise TopicFilterInvalidError("a topic filter is empty")
    if "#" in topic_filter:
        # [MQTT-4.7.1-1], in 3.1.1 [MQTT-4.7.1-2]
        if topic_filter.index("#") != len(topic_filter) - 1 or topic_filter[-2:-1] not in ("", "/"):
            raise TopicFilterInvalidError("'#' may only be the whole last level of a topic filter")
    if "+" in topic_filter:
        # [MQTT-4.7.1-2], in 3.1.1 [MQTT-4.7.1-3]
        if any("+" in level and level != "+" for level in topic_filter.split("/")):
            raise TopicFilterInvalidError("'+' may only be a whole level of a topic filter")


def check_shared(topic_filter: str, *, no_local: bool) -> None:
    """Refuse a malformed shared subscription of MQTT 5; `check_topic_filter` has been passed."""
    if not topic_filter.startswith("$share/"):
        return
    _, name, *rest = topic_filter.split("/", 2)
    # [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    if not name or "+" in name or "#" in name or not rest or not rest[0]:
        raise TopicFilterInvalidError("a shared subscription is $share/NAME/FILTER")
    # [MQTT-3.8.3-4]
    if no_local:
        raise ProtocolError("no local on a shared subscription")
