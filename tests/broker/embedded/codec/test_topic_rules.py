"""Topics in packets: what the standard forbids is refused with its code."""

import pytest

from gateway.broker.embedded.codec import topic_rules
from gateway.broker.embedded.codec.reasons import TopicFilterInvalid, TopicNameInvalid
from gateway.errors import ProtocolError


@pytest.mark.parametrize("name", ["", "a/+", "#", "a\x00"])
def test_names_without_wildcards(name: str) -> None:
    """[MQTT-3.3.2-2] Nobody publishes under a wildcard or under nothing."""
    with pytest.raises(TopicNameInvalid):
        topic_rules.check_topic_name(name)
    topic_rules.check_topic_name("a/b")


@pytest.mark.parametrize("text", ["", "a+", "#/a", "a/#b"])
def test_filters_with_wildcards_in_their_place(text: str) -> None:
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] A wildcard fills its level, and # is the last."""
    with pytest.raises(TopicFilterInvalid):
        topic_rules.check_topic_filter(text)
    topic_rules.check_topic_filter("+/a/#")


@pytest.mark.parametrize("text", ["$share/", "$share//a", "$share/g", "$share/g/", "$share/g+/a"])
def test_shared_subscriptions_have_a_name_and_a_filter(text: str) -> None:
    """[MQTT-4.8.2-1] [MQTT-4.8.2-2] Else they are malformed."""
    with pytest.raises(TopicFilterInvalid):
        topic_rules.check_shared(text, no_local=False)
    topic_rules.check_shared("$share/g/a", no_local=False)


def test_no_local_on_a_shared_subscription() -> None:
    """[MQTT-3.8.3-4] It breaks the protocol; on any other it is fine."""
    with pytest.raises(ProtocolError):
        topic_rules.check_shared("$share/g/a", no_local=True)
    topic_rules.check_shared("a", no_local=True)
