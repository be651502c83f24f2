"""iot.io: event handlers per device type in the manner of Socket.IO. Protocol version 1, and 0.2
with text packets.
"""

from gateway.bridges.iotio.bridge import IotIo

__all__ = ["IotIo"]
