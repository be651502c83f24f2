"""All conventions, in the order in which they are asked whether a device is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.bridges.mqtt.conventions.esphome import EspHome
from gateway.bridges.mqtt.conventions.home_assistant import HomeAssistant
from gateway.bridges.mqtt.conventions.homie import Homie
from gateway.bridges.mqtt.conventions.openmqttgateway import OpenMqttGateway, Theengs
from gateway.bridges.mqtt.conventions.owntracks import OwnTracks
from gateway.bridges.mqtt.conventions.rtl_433 import Rtl433
from gateway.bridges.mqtt.conventions.shelly import Shelly
from gateway.bridges.mqtt.conventions.shelly_gen1 import ShellyGen1
from gateway.bridges.mqtt.conventions.sparkplug import Sparkplug
from gateway.bridges.mqtt.conventions.tasmota import Tasmota
from gateway.bridges.mqtt.conventions.wled import Wled
from gateway.bridges.mqtt.conventions.zigbee2mqtt import Zigbee2Mqtt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bridges.mqtt.conventions.convention import Convention, Hello, Root

# The ones with the plainest signs first; Home Assistant's discovery describes what no other knows.
CONVENTIONS: tuple[Convention, ...] = (
    Tasmota(),
    Zigbee2Mqtt(),
    ShellyGen1(),
    Shelly(),
    Homie(),
    Sparkplug(),
    OwnTracks(),
    Theengs(),
    OpenMqttGateway(),
    Rtl433(),
    Wled(),
    EspHome(),
    HomeAssistant(),
)
BY_NAME = {convention.name: convention for convention in CONVENTIONS}


def enabled(names: Sequence[str] | None) -> tuple[Convention, ...]:
    """Return the conventions of these names, in order; None: all."""
    return tuple(each for each in CONVENTIONS if names is None or each.name in names)


def recognised(conventions: Sequence[Convention], hello: Hello) -> tuple[Convention, Root] | None:
    """Return whose a device is that shows itself like this, and its root; None: nobody's."""
    uncertain = None
    for convention in conventions:
        root = convention.recognise(hello)
        if root is not None and root.certain:
            return convention, root
        if root is not None and uncertain is None:
            uncertain = convention, root
    return uncertain
