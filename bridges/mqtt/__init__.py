"""The MQTT bridge: topics and payloads to frames, commands to devices."""
