// How to connect, filled in for this gateway and one of the devices.

import { ask } from "./api.js";
import { byId, furnish, make, snippet } from "./dom.js";
import { TOPICS, fromDevice, toPrograms } from "./snippets.js";

const place = {
  host: location.hostname,
  web: location.origin,
  ws: location.origin.replace("http", "ws"),
  mqttPort: document.documentElement.dataset.mqttPort,
};

furnish();

function show(id) {
  byId("from").replaceChildren(...fromDevice(place, id).map(([title, text]) => snippet(title, text)));
  byId("to").replaceChildren(...toPrograms(place, id).map(([title, text]) => snippet(title, text)));
  byId("topics").replaceChildren(...TOPICS.map(([topic, from, meaning]) => make("tr", {},
    make("td", {}, make("code", {}, `devices/${id}/${topic}`)), make("td", {}, from), make("td", {}, meaning))));
}

const chosen = byId("device");
chosen.addEventListener("change", () => {
  history.replaceState(null, "", `?device=${encodeURIComponent(chosen.value)}`);
  show(chosen.value);
});

async function offer() {
  const wanted = new URLSearchParams(location.search).get("device");
  const { devices } = await ask("GET", "/devices").catch(() => ({ devices: [] }));
  const ids = devices.map((device) => device.id);
  if (ids.length === 0) ids.push("kitchen"); // an example, until there is one
  chosen.replaceChildren(...ids.map((id) => make("option", { value: id }, id)));
  chosen.value = ids.includes(wanted) ? wanted : ids[0];
  show(chosen.value);
}

offer();
