// What to paste on each side, filled with the place, the device and its key. Sketches are those of
// examples/.

/** @typedef {import("./place.js").Place} Place */
/** @typedef {{id: string, key: string}} Device */
/** @typedef {{title: string, text: string}} Snippet */

/** A first value, from a terminal. @param {Place} place @param {string} id @param {string} [key] */
export function firstLine({ host, mqttPort }, id, key = "KEY") {
  return `mosquitto_pub -h ${host} -p ${mqttPort} -u ${id} -P ${key} \\
  -t devices/${id}/telemetry -m '{"temperature":21.4}'`;
}

/**
 * An example with this gateway and this device in it: the constants that every sketch has.
 * @param {string} sketch @param {Place} place @param {Device} device @param {string} port
 */
export function filled(sketch, { host }, { id, key }, port) {
  const example = /#define DEVICE_ID "([^"]*)"/.exec(sketch)?.[1] ?? "kitchen";
  return sketch
    .replace(/(GATEWAY = ")[^"]*/, (_, before) => before + host)
    .replace(/(PORT = )\d+/, (_, before) => before + port)
    .replace(/(DEVICE_KEY(?: =)? ")[^"]*/, (_, before) => before + key)
    .replace(new RegExp(`\\b${example}\\b`, "g"), () => id);
}

/** The sketch for an ESP8266 on an ESP32, where TLS is not wanted. @param {string} sketch */
export const forEsp32 = (sketch) =>
  sketch
    .replace("An ESP8266 that reports", "An ESP32 that reports")
    .replace(
      "#include <ESP8266WiFi.h>",
      "#include <WiFi.h>\n\n#ifndef LED_BUILTIN\n#define LED_BUILTIN 2  // most boards\n#endif\n",
    );

/** The call of examples/raspberry_pi.py. @param {Place} place @param {Device} device */
export const piCall = ({ host, mqttPort }, { id, key }) =>
  `python raspberry_pi.py ${id} ${key} --host ${host} --port ${mqttPort}`;

/**
 * From a terminal: MQTT and HTTP.
 * @param {Place} place
 * @param {Device} device
 * @returns {Snippet[]}
 */
export const terminal = (place, { id, key }) => [
  { title: "mosquitto_pub", text: firstLine(place, id, key) },
  {
    title: "curl",
    text: `curl ${place.web}/api/v1/devices/${id}/telemetry \\
  -H 'Authorization: Bearer ${key}' -d '{"temperature":21.4}'`,
  },
];

/**
 * iot.io's client.
 * @param {Place} place
 * @param {Device} device
 * @param {string} type
 * @returns {Snippet[]}
 */
export const iotio = (place, { id, key }, type) => [
  {
    title: "iot.io-client (Python)",
    text: `from iotclient import IoTClient

client = IoTClient("${id}", "${type || "echo"}", {"key": "${key}"})
client.run("${bare(place)}", use_tls=${place.web.startsWith("https") ? "True" : "False"})`,
  },
  {
    title: "HTTP",
    text: `curl ${place.web}/api/iot.io -H 'Authorization: Bearer TOKEN' \\
  -H 'Content-Type: application/json' -d '{"clientId":"${id}","endpointId":"led","data":true}'`,
  },
];

/** IOTcommunicate's URLs. @param {Place} place @param {Device} device @returns {Snippet[]} */
export function iotcommunicate({ ws }, { id, key }) {
  const url = (/** @type {string} */ side) => `${ws}/ws?device=${id}&key=${key}&side=${side}`;
  return [
    { title: "side=device", text: url("device") },
    { title: "side=client", text: url("client") },
    {
      title: "Python (pip install websocket-client)",
      text: `import json
from websocket import create_connection

socket = create_connection("${url("device")}")
socket.send(json.dumps({"method": "put", "status": {"sensor": "temp", "value": 21}}))
while True:
    print(json.loads(socket.recv()))`,
    },
  ];
}

/** The REST server's URLs. @param {Place} place @param {Device} device @returns {Snippet[]} */
export const things = ({ web, ws }, { id, key }) => [
  { title: "things/post", text: `curl "${web}/things/post/${id}?key=${key}&s0=1.5&s6=2"` },
  { title: "things/read", text: `curl "${web}/things/read/${id}?key=${key}"` },
  { title: "listen", text: `websocat "${ws}/listen/${id}?key=${key}"` },
];

/**
 * For programs, with a token.
 * @param {Place} place
 * @param {string} id
 * @returns {Record<string, Snippet[]>}
 */
export const programs = (place, id) => ({
  http: [
    {
      title: "curl: /latest",
      text: `curl ${place.web}/api/v1/devices/${id}/latest -H 'Authorization: Bearer TOKEN'`,
    },
    {
      title: "curl: /commands",
      text: `curl '${place.web}/api/v1/devices/${id}/commands/led?wait=5' \\
  -H 'Authorization: Bearer TOKEN' -d 1`,
    },
    {
      title: "curl: /history",
      text: `curl '${place.web}/api/v1/history?device=${id}&format=csv' \\
  -H 'Authorization: Bearer TOKEN'`,
    },
  ],
  browser: [{ title: "WebSocket", text: browser(place, id) }],
  python: [{ title: "Python", text: python(place, id) }],
  mqtt: [
    {
      title: "mosquitto_sub",
      text: `mosquitto_sub -h ${place.host} -p ${place.mqttPort} -u token -P TOKEN \\
  -t 'devices/${id}/#' -v`,
    },
    {
      title: "MQTT.js",
      text: `mqtt.connect("${place.ws}/mqtt", { username: "token", password: "TOKEN" })`,
    },
  ],
  sse: [
    {
      title: "curl: /stream",
      text: `curl -N '${place.web}/api/v1/stream?filter=${id}/%23' \\
  -H 'Authorization: Bearer TOKEN'`,
    },
  ],
});

/** @param {Place} place @param {string} id */
const browser = ({ ws }, id) => `const socket = new WebSocket("${ws}/api/v1/ws");
socket.onopen = () => {
  socket.send(JSON.stringify({ type: "auth", token: "TOKEN" }));
  socket.send(JSON.stringify({ type: "subscribe", id: "a", filter: "${id}/#" }));
};
socket.onmessage = ({ data }) => console.log(JSON.parse(data));`;

/** @param {Place} place @param {string} id */
const python = ({ web }, id) => `import asyncio

from gateway.listener import Listener


async def main():
    async with Listener("${web}", "TOKEN", "${id}/#") as listener:
        async for frame in listener:
            print(frame["channel"], frame.get("value"))


asyncio.run(main())`;

/** Host and port without the scheme. @param {Place} place */
const bare = ({ web }) => web.replace(/^https?:\/\//, "");

/** The topics of a device: `[topic, who sends]`; what each means is a text of the page. */
export const TOPICS = [
  ["telemetry", "device"],
  ["telemetry/CHANNEL", "device"],
  ["status", "device"],
  ["commands/NAME", "gateway"],
  ["replies/NAME", "device"],
];
