"""The core of the gateway: MQTT in, stored, JSON frames out, values back."""

__version__ = "0.1.0"
