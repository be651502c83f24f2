// My devices: add, edit, new key, remove, approve.

import "./language.js";
import { ask, deviceUrl } from "./api.js";
import { confirm, dialogById, formOf, open, showSecret } from "./dialogs.js";
import { byId, inputById, make } from "./dom.js";
import { complain, field, onSubmit, text } from "./forms.js";
import { attempt, begin } from "./page.js";
import { t } from "./text.js";
import { date, when } from "./words.js";

const SEARCH_FROM = 8; // devices

begin();

/** @type {DeviceRecord[]} */
let devices = [];
/** @type {Map<number, string>} */
const owners = new Map();

const show = () =>
  attempt(async () => {
    devices = (await ask("GET", "/devices")).devices;
    byId("empty").hidden = devices.length > 0;
    byId("tools").hidden = devices.length < SEARCH_FROM;
    list();
  });

function list() {
  const wanted = inputById("find").value.trim().toLowerCase();
  const found = devices.filter((device) =>
    [device.id, device.name, device.type].join(" ").toLowerCase().includes(wanted),
  );
  const waiting = found.filter((device) => device.state === "pending");
  byId("list").replaceChildren(
    ...[...waiting, ...found.filter((device) => device.state !== "pending")].map(row),
  );
  byId("unfound").hidden = devices.length === 0 || found.length > 0;
}

inputById("find").addEventListener("input", list);

/** @param {DeviceRecord} device */
function row(device) {
  const dot = make("span", {
    className: "dot",
    title: t(device.online ? "presence.online" : "presence.offline"),
  });
  dot.dataset.state = device.online ? "online" : "offline";
  const url = `/devices/${encodeURIComponent(device.id)}`;
  const name = make(
    "div",
    { className: "name" },
    dot,
    make("a", { href: url }, device.name || device.about?.name || device.id),
    ...tags(device),
  );
  return make(
    "li",
    {},
    make("div", {}, name, make("p", { className: "about" }, about(device))),
    make("div", { className: "do" }, ...actions(device)),
  );
}

/** @param {DeviceRecord} device */
function tags(device) {
  const words = [
    device.type,
    device.disabled && t("devices.disabled"),
    device.state === "pending" && t("devices.pending"),
  ];
  return words
    .filter(Boolean)
    .map((word) => make("span", { className: "tag", title: word }, String(word)));
}

/** @param {DeviceRecord} device */
function about(device) {
  const parts = [
    device.name && device.id,
    device.online
      ? t("presence.online")
      : device.last_seen
        ? t("devices.seen", { time: when(device.last_seen) })
        : t("presence.never"),
    t("devices.added", { date: date(device.created ?? 0) }),
    device.owner &&
      owners.has(device.owner) &&
      t("devices.owner", { name: owners.get(device.owner) }),
    (device.topics ?? []).length > 0 && t("devices.topics", { topics: device.topics?.join(", ") }),
  ];
  return parts.filter(Boolean).join(" · ");
}

/** @param {DeviceRecord} device */
function actions(device) {
  const label = (/** @type {string} */ key) => ({
    className: "quiet",
    ariaLabel: `${t(key)}: ${device.id}`,
  });
  const button = (/** @type {string} */ key, /** @type {() => unknown} */ work) =>
    make("button", { type: "button", onclick: work, ...label(key) }, t(key));
  if (device.state === "pending")
    return [
      button("devices.approve", () => approve(device.id)),
      button("devices.remove", () => remove(device)),
    ];
  const link = make(
    "a",
    {
      href: `/docs?device=${encodeURIComponent(device.id)}`,
      ...label("devices.connect"),
      className: "button quiet",
    },
    t("devices.connect"),
  );
  return [
    link,
    button("devices.edit", () => edit(device)),
    button("devices.new-key", () => newKey(device)),
    button("devices.remove", () => remove(device)),
  ];
}

/** @param {string} id */
const approve = (id) =>
  attempt(() => ask("POST", deviceUrl(id, "/approve"))).then((done) => {
    if (done) show();
  });

/**
 * Shows a new key, this once; the Connect page of this tab has it too.
 * @param {DeviceRecord} device
 */
function showKey({ id, key }) {
  byId("key-id").textContent = id;
  sessionStorage.setItem(`key ${id}`, String(key));
  /** @type {HTMLAnchorElement} */ (byId("key-docs")).href =
    `/docs?device=${encodeURIComponent(id)}`;
  showSecret("key", byId("key-text"), String(key));
}

onSubmit(formOf("new"), async (data) => {
  const given = Object.fromEntries(
    [...data.keys()].map((name) => [name, text(data, name)]).filter(([, value]) => value),
  );
  const device = await ask("POST", "/devices", given);
  dialogById("new").close();
  showKey(device);
  await show();
});

// A device of this style has an id and a key that its clients can hold; both are made by the
// gateway.
field(formOf("new"), "style").addEventListener("change", () => {
  const made = field(formOf("new"), "style").value === "iotcommunicate";
  field(formOf("new"), "id").disabled = made;
});
formOf("new").addEventListener("reset", () => {
  field(formOf("new"), "id").disabled = false;
});

/** @param {DeviceRecord} device */
async function newKey(device) {
  const { id } = device;
  if (
    !(await confirm({
      title: t("key.replace"),
      text: t("key.replace-text", { id }),
      label: t("key.make"),
    }))
  )
    return;
  attempt(async () => showKey(await ask("POST", deviceUrl(id, "/key"))));
}

/** @param {DeviceRecord} device */
async function remove({ id }) {
  if (
    !(await confirm({
      title: t("devices.remove-title"),
      text: t("devices.remove-text", { id }),
      label: t("devices.remove"),
    }))
  )
    return;
  if (await attempt(() => ask("DELETE", deviceUrl(id)))) show();
}

/** @type {DeviceRecord | null} */
let edited = null;

/** @param {DeviceRecord} device */
function edit(device) {
  edited = device;
  open("edit");
  const form = formOf("edit");
  byId("edit-title").textContent = t("devices.edit-title", { id: device.id });
  field(form, "name").value = device.name ?? "";
  field(form, "type").value = device.type ?? "";
  field(form, "topics").value = (device.topics ?? []).join("\n");
  field(form, "disabled").checked = device.disabled === true;
  const owner = field(form, "owner");
  owner.replaceChildren(
    make("option", { value: "" }, t("devices.nobody")),
    ...[...owners].map(([id, name]) => make("option", { value: String(id) }, name)),
  );
  owner.value = String(device.owner ?? "");
}

onSubmit(formOf("edit"), async (data) => {
  const topics = text(data, "topics")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  /** @type {Record<string, any>} */
  const now = {
    name: text(data, "name"),
    type: text(data, "type"),
    topics,
    disabled: data.has("disabled"),
  };
  if (owners.size > 0) now.owner = text(data, "owner") === "" ? null : Number(text(data, "owner"));
  const before = /** @type {any} */ (edited);
  const different = Object.entries(now).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]),
  );
  if (different.length > 0) await ask("PATCH", deviceUrl(before.id), Object.fromEntries(different));
  dialogById("edit").close();
  await show();
});

onSubmit(/** @type {HTMLFormElement} */ (byId("approve")), async (data, form) => {
  const device = await ask("POST", deviceUrl(text(data, "id"), "/approve"));
  complain(form, null);
  form.reset();
  /** @type {HTMLOutputElement} */ (form.querySelector("output")).value = t("devices.approved", {
    id: device.id,
  });
  await show();
});

/** An admin sees whose a device is, and may give it to somebody else. */
async function readOwners() {
  const { users } = await ask("GET", "/users").catch(() => ({ users: [] }));
  for (const user of users) owners.set(user.id, user.name || user.email);
  byId("owner-field").hidden = owners.size === 0;
}

readOwners().then(show);
