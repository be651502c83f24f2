"""The embedded broker: MQTT 3.1, 3.1.1 and 5 in plain Python."""
