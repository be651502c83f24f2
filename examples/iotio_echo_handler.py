"""The quickstart of iot.io, its server side: prints every message of an "echo" client and sends it
back.

On the gateway, with this file where Python finds it (PYTHONPATH=examples):
    [handlers]
    modules = ["iotio_echo_handler"]                        # in gateway.toml
    gateway device add echo-1 --type echo --owner you@example.com
Then any iot.io client connects as it is; only its key is new: IoTClient("echo-1", "echo", {"key":
"..."})
"""

from gateway.handlers import Device, DeviceType


class EchoClient(DeviceType):
    type = "echo"

    # announce clients connecting
    def on_connect(self, client: Device):
        print("New Echo Client Connected! ID: " + client.id)

    # define a handler for when the client sends a "message" event
    def on_message(self, message: str, client: Device):
        print("Message from Client with ID '" + client.id + "': " + message)

        # respond by sending a message to the client's 'message' event handler
        return message

    # announce clients disconnecting
    def on_disconnect(self, client: Device):
        print("Echo Client Disconnected! ID: " + client.id)
