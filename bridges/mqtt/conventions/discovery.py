"""Home Assistant's MQTT discovery, as a device announces itself: a payload becomes its entities.

Source: home-assistant.io, "MQTT Discovery", and the page of each component. Keys may be
abbreviated;
`~` stands for a base topic. What is of no use here (icons, categories) is passed over.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Untranslatable

MAX_PAYLOAD = 256 * 1024
MAX_ENTITIES = 500  # of one device payload

# Abbreviation -> key: those that matter here, from the table in Home Assistant's documentation.
KEYS = {
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "stat_val_tpl": "state_value_template",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "name": "name",
    "uniq_id": "unique_id",
    "obj_id": "object_id",
    "dev": "device",
    "o": "origin",
    "avty_t": "availability_topic",
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_tpl": "availability_template",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "stat_on": "state_on",
    "stat_off": "state_off",
    "dev_cla": "device_class",
    "unit_of_meas": "unit_of_measurement",
    "stat_cla": "state_class",
    "ret": "retain",
    "sug_dsp_prc": "suggested_display_precision",
    "ops": "options",
    "pl_prs": "payload_press",
    "bri_stat_t": "brightness_state_topic",
    "bri_cmd_t": "brightness_command_topic",
    "bri_scl": "brightness_scale",
    "bri_val_tpl": "brightness_value_template",
    "rgb_stat_t": "rgb_state_topic",
    "rgb_cmd_t": "rgb_command_topic",
    "clr_temp_stat_t": "color_temp_state_topic",
    "clr_temp_cmd_t": "color_temp_command_topic",
    "pos_t": "position_topic",
    "pos_tpl": "position_template",
    "set_pos_t": "set_position_topic",
    "set_pos_tpl": "set_position_template",
    "pl_open": "payload_open",
    "pl_cls": "payload_close",
    "pl_stop": "payload_stop",
    "pl_lock": "payload_lock",
    "pl_unlk": "payload_unlock",
    "mode_stat_t": "mode_state_topic",
    "mode_stat_tpl": "mode_state_template",
    "mode_cmd_t": "mode_command_topic",
    "mode_cmd_tpl": "mode_command_template",
    "temp_stat_t": "temperature_state_topic",
    "temp_stat_tpl": "temperature_state_template",
    "temp_cmd_t": "temperature_command_topic",
    "temp_cmd_tpl": "temperature_command_template",
    "curr_temp_t": "current_temperature_topic",
    "curr_temp_tpl": "current_temperature_template",
    "temp_unit": "temperature_unit",
    "act_t": "action_topic",
    "act_tpl": "action_template",
    "pct_stat_t": "percentage_state_topic",
    "pct_val_tpl": "percentage_value_template",
    "pct_cmd_t": "percentage_command_topic",
    "pct_cmd_tpl": "percentage_command_template",
    "pr_mode_stat_t": "preset_mode_state_topic",
    "pr_mode_cmd_t": "preset_mode_command_topic",
    "pr_modes": "preset_modes",
    "hum_stat_t": "target_humidity_state_topic",
    "hum_cmd_t": "target_humidity_command_topic",
    "evt_typ": "event_types",
    "json_attr_t": "json_attributes_topic",
    "l_ver_t": "latest_version_topic",
    "p": "platform",
    "cmps": "components",
    "schema": "schema",
    "t": "topic",
    "e": "encoding",
}
DEVICE_KEYS = {
    "ids": "identifiers",
    "cns": "connections",
    "mf": "manufacturer",
    "mdl": "model",
    "mdl_id": "model_id",
    "sw": "sw_version",
    "hw": "hw_version",
    "sn": "serial_number",
    "sa": "suggested_area",
    "cu": "configuration_url",
}
SHARED = (
    *("availability", "availability_topic", "availability_mode", "availability_template"),
    *("payload_available", "payload_not_available", "state_topic", "command_topic", "encoding"),
)

_TOPIC = re.compile(
    r"[^/]+/(?P<component>[a-z_]+)/(?:(?P<node>[A-Za-z0-9_-]+)/)?(?P<object>[A-Za-z0-9_-]+)/config"
)


class Device(NamedTuple):
    """Whose entity it is. `ids`: what it is known by; `via`: the device that it hangs on."""

    ids: tuple[str, ...]
    name: str | None
    manufacturer: str | None
    model: str | None
    version: str | None
    via: str | None


class Entity(NamedTuple):
    """One entity as it was announced. `key`: its name among those of its device; `config`: full
    keys, topics without `~`.
    """

    component: str
    key: str
    config: dict[str, Any]


class Announcement(NamedTuple):
    """What one discovery topic says. No entities: they are removed."""

    device: Device | None
    entities: tuple[Entity, ...]
    origin: str | None


def announcement(topic: str, payload: bytes) -> Announcement:
    """Return what a message on a discovery topic announces. Raises `Untranslatable`."""
    place = _TOPIC.fullmatch(topic)
    if place is None:
        raise Untranslatable("not a discovery topic: PREFIX/COMPONENT/[NODE/]OBJECT/config")
    if not payload:
        return Announcement(None, (), None)
    if len(payload) > MAX_PAYLOAD:
        raise Untranslatable(f"an announcement of more than {MAX_PAYLOAD // 1024} KB")
    config = _full(_object(payload), KEYS)
    if config.get("migrate_discovery") is True:
        return Announcement(None, (), None)
    device, origin = _device(config.get("device")), config.get("origin")
    named = _full(origin, {}).get("name") if isinstance(origin, dict) else None
    if place["component"] == "device":
        entities = _components(config)
    else:
        entities = (Entity(place["component"], place["object"], _based(config)),)
    return Announcement(device, entities, named if isinstance(named, str) else None)


def place_of(topic: str) -> tuple[str, str] | None:
    """Return component and object of a discovery topic, or None where it is another topic."""
    place = _TOPIC.fullmatch(topic)
    return None if place is None else (place["component"], place["object"])


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untranslatable(f"not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise Untranslatable("an announcement is a JSON object")
    return value


def _full(config: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    return {keys.get(key, key): value for key, value in config.items()}


def _components(config: dict[str, Any]) -> tuple[Entity, ...]:
    components = config.get("components")
    if not isinstance(components, dict):
        raise Untranslatable("a device announcement without components (cmps)")
    if len(components) > MAX_ENTITIES:
        raise Untranslatable(f"more than {MAX_ENTITIES} components")
    shared = {key: config[key] for key in SHARED if key in config}
    base = {"~": config["~"]} if "~" in config else {}
    entities = []
    for key, component in components.items():
        if not isinstance(component, dict):
            raise Untranslatable(f"component {key[:40]!r} is not an object")
        full = {**base, **shared, **_full(component, KEYS)}
        platform = full.pop("platform", None)
        if isinstance(platform, str) and set(component) - {"p", "platform"}:
            entities.append(Entity(platform, key, _based(full)))
    return tuple(entities)


def _based(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with its base topic put in for `~`."""
    base = config.pop("~", None)
    if not isinstance(base, str):
        return config
    for key, value in config.items():
        if key.endswith("topic") and isinstance(value, str):
            config[key] = _put(base, value)
    availability = config.get("availability")
    if isinstance(availability, list):
        config["availability"] = [
            {**_full(each, KEYS), "topic": _put(base, str(_full(each, KEYS).get("topic", "")))}
            for each in availability
            if isinstance(each, dict)
        ]
    return config


def _put(base: str, topic: str) -> str:
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic


def _device(value: Any) -> Device | None:
    if not isinstance(value, dict):
        return None
    said = _full(value, DEVICE_KEYS)
    given = said.get("identifiers")
    ids = [given] if isinstance(given, str | int) else given if isinstance(given, list) else []
    connections = said.get("connections")
    for pair in connections if isinstance(connections, list) else ():
        if isinstance(pair, list) and len(pair) == 2:
            ids = [*ids, pair[1]]
    known = tuple(str(each) for each in ids if isinstance(each, str | int) and str(each))
    texts = [said.get(key) for key in ("name", "manufacturer", "model", "sw_version", "via_device")]
    return Device(known, *(text if isinstance(text, str) and text else None for text in texts))
