"""The device's side of the gateway, for a Raspberry Pi or a script: send readings, answer
commands.
"""

from gateway.device.client import Device
from gateway.device.link import DeviceRefused

__all__ = ["Device", "DeviceRefused"]
