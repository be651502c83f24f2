# mypy: allow-untyped-calls
# (paho's Properties carry no types)
"""The MQTT 5 properties that travel with a message, from and to paho-mqtt's form."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from gateway.broker.port import Properties


def from_paho(properties: PahoProperties | None) -> Properties | None:
    """Return what travels on from a PUBLISH's properties (section 3.3.2.3), None where there is
    nothing.
    """
    if properties is None or properties.isEmpty():
        return None
    return Properties(
        getattr(properties, "PayloadFormatIndicator", None),
        getattr(properties, "MessageExpiryInterval", None),
        getattr(properties, "ContentType", None),
        getattr(properties, "ResponseTopic", None),
        getattr(properties, "CorrelationData", None),
        tuple(getattr(properties, "UserProperty", ())),
    )


def to_paho(properties: Properties | None) -> PahoProperties | None:
    """Return the properties of a PUBLISH as paho wants them."""
    if properties is None:
        return None
    result = PahoProperties(PacketTypes.PUBLISH)
    for name, value in (
        ("PayloadFormatIndicator", properties.payload_format),
        ("MessageExpiryInterval", properties.message_expiry),
        ("ContentType", properties.content_type),
        ("ResponseTopic", properties.response_topic),
        ("CorrelationData", properties.correlation_data),
    ):
        if value is not None:
            setattr(result, name, value)
    if properties.user:
        result.UserProperty = list(properties.user)
    return result
