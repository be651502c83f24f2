// What to paste on each side, filled with the place and the device.

/** `place`: {host, web, ws, mqttPort}, `id`: the device. */
export function fromDevice({ host, web, mqttPort }, id) {
  return [
    ["mosquitto_pub", firstLine(host, mqttPort, id)],
    ["curl", `curl ${web}/api/v1/devices/${id}/telemetry \\
  -H 'Authorization: Bearer KEY' -d '{"temperature":21.4}'`],
    ["ESP8266 or ESP32, with PubSubClient", sketch(host, mqttPort, id)],
  ];
}

/** A first value, from a terminal. */
export function firstLine(host, port, id) {
  return `mosquitto_pub -h ${host} -p ${port} -u ${id} -P KEY \\
  -t devices/${id}/telemetry -m '{"temperature":21.4}'`;
}

export function toPrograms({ host, web, ws, mqttPort }, id) {
  return [
    ["Latest values, curl", `curl ${web}/api/v1/devices/${id}/latest -H 'Authorization: Bearer TOKEN'`],
    ["Send a command and wait for the reply, curl", `curl '${web}/api/v1/devices/${id}/commands/led?wait=5' \\
  -H 'Authorization: Bearer TOKEN' -d 1`],
    ["Browser", `const socket = new WebSocket("${ws}/api/v1/ws");
socket.onopen = () => {
  socket.send(JSON.stringify({ type: "auth", token: "TOKEN" }));
  socket.send(JSON.stringify({ type: "subscribe", id: "a", filter: "${id}/+" }));
};
socket.onmessage = ({ data }) => console.log(JSON.parse(data));`],
    ["Python (pip install aiohttp)", `import asyncio
import aiohttp

async def main():
    headers = {"Authorization": "Bearer TOKEN"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.ws_connect("${ws}/api/v1/ws") as socket:
            await socket.send_json({"type": "subscribe", "id": "a", "filter": "${id}/+"})
            async for message in socket:
                print(message.json())

asyncio.run(main())`],
    ["mosquitto_sub", `mosquitto_sub -h ${host} -p ${mqttPort} -u token -P TOKEN -t 'devices/${id}/#' -v`],
  ];
}

export const TOPICS = [
  ["telemetry", "device", "A JSON object: each key is a channel"],
  ["telemetry/CHANNEL", "device", "One value: JSON, or else text"],
  ["status", "device", "online or offline, typically the will"],
  ["commands/NAME", "gateway", "A command: its JSON value, QoS 1"],
  ["replies/NAME", "device", "Answers the oldest unanswered command of that name"],
];

function sketch(host, port, id) {
  return `#include <ESP8266WiFi.h>  // ESP32: WiFi.h
#include <PubSubClient.h>

WiFiClient network;
PubSubClient mqtt(network);

void onCommand(char* topic, byte* payload, unsigned int length) {
  // devices/${id}/commands/led: the payload is JSON, here 0 or 1
  digitalWrite(LED_BUILTIN, length && payload[0] == '1' ? LOW : HIGH);
  mqtt.publish("devices/${id}/replies/led", "true");
}

void setup() {
  pinMode(LED_BUILTIN, OUTPUT);
  WiFi.begin("NETWORK", "PASSWORD");
  mqtt.setServer("${host}", ${port});
  mqtt.setCallback(onCommand);
}

void loop() {
  static unsigned long last = 0;
  if (!mqtt.connected()) {
    if (WiFi.status() == WL_CONNECTED &&
        mqtt.connect("${id}", "${id}", "KEY", "devices/${id}/status", 1, true, "offline")) {
      mqtt.publish("devices/${id}/status", "online", true);
      mqtt.subscribe("devices/${id}/commands/#", 1);
    } else {
      delay(1000);
    }
  } else if (millis() - last >= 10000) {
    last = millis();
    char json[48];
    snprintf(json, sizeof(json), "{\\"light\\":%d}", analogRead(A0));
    mqtt.publish("devices/${id}/telemetry", json);
  }
  mqtt.loop();
}`;
}
