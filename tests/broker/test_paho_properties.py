"""Properties of MQTT 5 go to paho-mqtt and come back as they were."""

from gateway.broker.paho_properties import from_paho, to_paho
from gateway.broker.port import Properties

FULL = Properties(1, 60, "text/plain", "replies/1", b"\x00id", (("a", "1"), ("a", "2")))


def test_there_and_back() -> None:
    """Nothing of what travels with a message is lost, user properties in their order."""
    assert from_paho(to_paho(FULL)) == FULL


def test_what_is_not_there_stays_away() -> None:
    """No properties are none, and a member that is not set is not sent."""
    assert (to_paho(None), from_paho(None)) == (None, None)
    sent = to_paho(Properties(content_type="x"))
    assert sent is not None
    assert sent.json() == {"ContentType": "x"}
    assert from_paho(to_paho(Properties())) is None
