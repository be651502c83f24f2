"""The MQTT bridge: topics and payloads to frames, commands to devices."""

from gateway.bridges.mqtt.gate import MqttGate
from gateway.bridges.mqtt.routes import Route, Routes

__all__ = ["MqttGate", "Route", "Routes"]
