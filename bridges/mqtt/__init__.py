"""The MQTT bridge: topics and payloads to frames, commands to devices."""

from bridges.mqtt.gate import MqttGate
from bridges.mqtt.routes import Route, Routes

__all__ = ["MqttGate", "Route", "Routes"]
