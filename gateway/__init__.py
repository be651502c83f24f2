"""The core of the gateway: MQTT in, stored, JSON frames out, values back."""
