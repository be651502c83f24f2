// My devices: add, edit, new key, remove, approve.

import { ask, onSubmit, complain, sentence } from "./api.js";
import { byId, confirm, furnish, make } from "./dom.js";
import { date, when } from "./words.js";

furnish();

async function show() {
  try {
    const { devices } = await ask("GET", "/devices");
    byId("list").replaceChildren(...devices.map(row));
    byId("empty").hidden = devices.length > 0;
    byId("problem").hidden = true;
  } catch (error) {
    byId("problem").textContent = sentence(error);
    byId("problem").hidden = false;
  }
}

function row(device) {
  const dot = make("span", { className: "dot", title: device.online ? "Online" : "Offline" });
  dot.dataset.state = device.online ? "online" : "offline";
  const name = make("div", { className: "name" }, dot, make("span", {}, device.name || device.id), ...tags(device));
  return make("li", {}, make("div", {}, name, make("p", { className: "about" }, about(device))),
    make("div", { className: "do" }, ...actions(device)));
}

function tags(device) {
  const words = [device.type, device.disabled && "disabled", device.state === "pending" && "waits for approval"];
  return words.filter(Boolean).map((word) => make("span", { className: "tag" }, word));
}

function about(device) {
  const parts = [
    device.name && device.id,
    device.online ? "online" : device.last_seen ? `last seen ${when(device.last_seen)}` : "never connected",
    `added ${date(device.created)}`,
    device.topics.length > 0 && `may also use ${device.topics.join(", ")}`,
  ];
  return parts.filter(Boolean).join(" · ");
}

function actions(device) {
  const button = (label, does) => make("button", { type: "button", className: "quiet", onclick: does, ariaLabel: `${label}: ${device.id}` }, label);
  const approve = button("Approve", () => change(() => ask("POST", path(device.id, "/approve"))));
  return [
    ...(device.state === "pending" ? [approve] : [
      make("a", { className: "button quiet", href: `/docs?device=${encodeURIComponent(device.id)}`, ariaLabel: `Connect: ${device.id}` }, "Connect"),
      button("Edit", () => edit(device)),
      button("New key", () => newKey(device)),
    ]),
    button("Remove", () => remove(device)),
  ];
}

const path = (id, more = "") => `/devices/${encodeURIComponent(id)}${more}`;

/** Does something and shows the list as it then is; what goes wrong is said above it. */
async function change(work) {
  try {
    await work();
    await show();
  } catch (error) {
    byId("problem").textContent = sentence(error);
    byId("problem").hidden = false;
  }
}

function showKey({ id, key }) {
  byId("key-id").textContent = id;
  byId("key-text").textContent = key;
  byId("key-docs").href = `/docs?device=${encodeURIComponent(id)}`;
  byId("key").showModal();
}

byId("key").addEventListener("close", () => { byId("key-text").textContent = ""; });

function newDevice() {
  const form = byId("create").querySelector("form");
  form.reset();
  complain(form, null);
  byId("create").showModal();
}

byId("new").addEventListener("click", newDevice);
if (location.hash === "#new") newDevice();

onSubmit(byId("create").querySelector("form"), async (data) => {
  const given = [...data].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  const device = await ask("POST", "/devices", Object.fromEntries(given));
  byId("create").close();
  showKey(device);
  await show();
});

function newKey(device) {
  const text = `${device.id} is cut off at once and connects again only with the new key.`;
  confirm("Replace the key?", text, "Make a new key", async () => showKey(await ask("POST", path(device.id, "/key"))));
}

function remove(device) {
  const text = `${device.id} is cut off at once, its key stops, and what it sent is no longer shown.`;
  confirm("Remove the device?", text, "Remove", () => ask("DELETE", path(device.id)));
}

onSubmit(byId("sure").querySelector("form"), async (data, form) => {
  await form.work();
  byId("sure").close();
  await show();
});

let edited = null;

function edit(device) {
  edited = device;
  const form = byId("edit").querySelector("form");
  complain(form, null);
  byId("edit-title").textContent = `Edit ${device.id}`;
  form.elements.name.value = device.name;
  form.elements.type.value = device.type;
  form.elements.topics.value = device.topics.join("\n");
  form.elements.disabled.checked = device.disabled;
  byId("edit").showModal();
}

onSubmit(byId("edit").querySelector("form"), async (data) => {
  const topics = data.get("topics").split("\n").map((line) => line.trim()).filter(Boolean);
  const now = { name: data.get("name").trim(), type: data.get("type").trim(), topics, disabled: data.has("disabled") };
  const different = Object.entries(now).filter(([field, value]) => JSON.stringify(value) !== JSON.stringify(edited[field]));
  if (different.length > 0) await ask("PATCH", path(edited.id), Object.fromEntries(different));
  byId("edit").close();
  await show();
});

const approval = byId("approve");
onSubmit(approval, async (data) => {
  const said = approval.querySelector("output");
  try {
    const device = await ask("POST", path(data.get("id").trim(), "/approve"));
    said.value = `${device.id} is yours now.`;
    approval.reset();
    await show();
  } catch (error) {
    said.value = sentence(error);
  }
});

show();
