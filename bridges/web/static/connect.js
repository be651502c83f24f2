// How to connect, filled in for this gateway and one of the devices, and whether its first value
// has come.

import "./language.js";
import { ask } from "./api.js";
import { FirstValue } from "./first-value.js";
import { byId, inputById, make, snippet } from "./dom.js";
import { begin } from "./page.js";
import { place } from "./place.js";
import {
  TOPICS,
  filled,
  forEsp32,
  iotcommunicate,
  iotio,
  piCall,
  programs,
  terminal,
  things,
} from "./snippets.js";
import { Tabs } from "./tabs.js";
import { t } from "./text.js";

/** @typedef {import("./snippets.js").Snippet} Snippet */

begin();

const at = place();
const chosen = inputById("device");
/** @type {DeviceRecord[]} */
let devices = [];
/** @type {Map<string, string>} */
const examples = new Map();

/** An example of the repository. @param {string} name */
async function example(name) {
  if (!examples.has(name)) examples.set(name, await (await fetch(`/static/${name}`)).text());
  return String(examples.get(name));
}

/** The key, where it was made in this tab; it is on no server. @param {string} id */
const keyOf = (id) => sessionStorage.getItem(`key ${id}`) ?? "KEY";

/**
 * What there is to paste for a device, by tab.
 * @param {string} id
 * @returns {Record<string, () => Snippet[] | Promise<Snippet[]>>}
 */
function fromDevice(id) {
  const device = { id, key: keyOf(id) };
  const type = devices.find((each) => each.id === id)?.type ?? "";
  const sketch = async (/** @type {string} */ name, /** @type {string} */ port) =>
    filled(await example(name), at, device, port);
  return {
    esp8266: async () => [{ title: "esp8266.ino", text: await sketch("esp8266.ino", at.mqttPort) }],
    esp32: async () => [
      { title: "esp32.ino", text: forEsp32(await sketch("esp8266.ino", at.mqttPort)) },
      ...(at.mqttsPort
        ? [{ title: t("connect.esp32-tls"), text: await sketch("esp32.ino", at.mqttsPort) }]
        : []),
    ],
    arduino: async () => [
      { title: "arduino_http.ino", text: await sketch("arduino_http.ino", at.webPort) },
    ],
    pi: async () => [
      { title: t("connect.call"), text: piCall(at, device) },
      { title: "raspberry_pi.py", text: await example("raspberry_pi.txt") },
    ],
    terminal: () => terminal(at, device),
    iotio: () => iotio(at, device, type),
    iotcommunicate: () => iotcommunicate(at, device),
    things: () => things(at, device),
  };
}

/** @param {string} id @returns {Record<string, () => Snippet[]>} */
const toPrograms = (id) =>
  Object.fromEntries(Object.entries(programs(at, id)).map(([name, list]) => [name, () => list]));

const from = new Tabs(byId("from"), "connect.tab");
const to = new Tabs(byId("to"), "connect.tab");
const first = new FirstValue(byId("first"));

/** @param {string} id */
function show(id) {
  from.show(shownBy(fromDevice(id)));
  to.show(shownBy(toPrograms(id)));
  byId("topics").replaceChildren(
    ...TOPICS.map(([topic, by]) =>
      make(
        "tr",
        {},
        make("td", {}, make("code", {}, `devices/${id}/${topic}`)),
        make("td", {}, t(`topic.by.${by}`)),
        make("td", {}, t(`topic.${topic}`)),
      ),
    ),
  );
  if (devices.some((each) => each.id === id)) first.watch(id);
}

/** Tabs of snippets. @param {Record<string, () => Snippet[] | Promise<Snippet[]>>} lists */
function shownBy(lists) {
  return Object.fromEntries(
    Object.entries(lists).map(([name, list]) => [
      name,
      async () => {
        const hint = t(`connect.hint.${name}`);
        return [
          ...(hint.startsWith("connect.") ? [] : [make("p", { className: "muted" }, hint)]),
          ...(await list()).map(({ title, text }) => snippet(title, text)),
        ];
      },
    ]),
  );
}

chosen.addEventListener("change", () => {
  history.replaceState(null, "", `?device=${encodeURIComponent(chosen.value)}`);
  show(chosen.value);
});

async function offer() {
  const wanted = new URLSearchParams(location.search).get("device") ?? "";
  devices = (await ask("GET", "/devices").catch(() => ({ devices: [] }))).devices;
  const ids = devices.map((device) => device.id);
  if (ids.length === 0) ids.push("kitchen"); // an example, until there is one
  chosen.replaceChildren(...ids.map((id) => make("option", { value: id }, id)));
  chosen.value = ids.includes(wanted) ? wanted : ids[0];
  byId("unknown-host").hidden = at.known;
  show(chosen.value);
}

offer();
