// The board: every device's latest values, live.

import { ask, sentence } from "./api.js";
import { Card } from "./card.js";
import { byId, furnish, snippet } from "./dom.js";
import { Live } from "./live.js";
import { firstLine } from "./snippets.js";
import { when } from "./words.js";

const READERS = 3; // requests to history at a time
const TICK = 10_000; // ms between looks at ages and lines
const DEVICES_EVERY = 60_000;
const SEARCH_FROM = 7; // devices

const cards = new Map();
const changed = new Set();
const visible = new Set();
let toRead = [];
let readers = 0;
let picture = 0;
let lostAt = null;
let everLive = false;
let listed = false;

furnish();

// Pictures: whatever has changed since the last one, at most once a frame of the screen.

function touch(card) {
  changed.add(card);
  picture ||= requestAnimationFrame(draw);
}

function draw() {
  picture = 0;
  const now = Date.now();
  for (const card of changed) if (visible.has(card) || !card.element.isConnected) card.render(now);
  for (const card of changed) if (!card.element.isConnected) place(card);
  changed.clear();
  summarize();
}

/** Puts a new card where its id belongs, so that nothing moves about later. */
function place(card) {
  const board = byId("board");
  const next = [...cards.values()].filter((other) => other.element.isConnected && other.id > card.id)
    .reduce((least, other) => (least && least.id < other.id ? least : other), null);
  board.insertBefore(card.element, next?.element ?? null);
  card.element.hidden = !matches(card);
  seen.observe(card.element);
}

const cardOf = new WeakMap();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const card = cardOf.get(target);
    if (!isIntersecting) visible.delete(card);
    else {
      visible.add(card);
      touch(card);
      readLines(card);
    }
  }
}, { rootMargin: "200px" });

function summarize() {
  const all = [...cards.values()];
  const online = all.reduce((sum, card) => sum + card.online, 0);
  const text = `${all.length} ${all.length === 1 ? "device" : "devices"}, ${online} online`;
  if (byId("count").textContent !== text) byId("count").textContent = text;
  byId("tools").hidden = all.length < SEARCH_FROM;
  byId("empty").hidden = !listed || all.length > 0;
}

setInterval(() => visible.forEach(touch), TICK);

// Devices and their frames.

function cardFor(about) {
  let card = cards.get(about.id);
  if (!card) {
    card = new Card(about, send);
    cards.set(card.id, card);
    cardOf.set(card.element, card);
  }
  touch(card);
  return card;
}

function take(frame, isNew) {
  if (frame.type !== "telemetry" && frame.type !== "presence") return;
  const known = cards.get(frame.device);
  const card = known ?? cardFor({ id: frame.device });
  if (!known) askForDevices();
  const channels = card.channels.size;
  card.take(frame, isNew);
  touch(card);
  if (card.channels.size !== channels && visible.has(card)) readLines(card);
}

async function readDevices() {
  const { devices } = await ask("GET", "/devices");
  const ids = new Set(devices.map((device) => device.id));
  for (const device of devices) if (device.state !== "pending") cardFor(device).describe(device);
  // A route may bring frames of a device that is on no list; such a card stays.
  for (const card of cards.values()) if (card.recorded && !ids.has(card.id)) forget(card);
  listed = true;
  summarize();
}

function forget(card) {
  seen.unobserve(card.element);
  card.element.remove();
  cards.delete(card.id);
  for (const set of [changed, visible]) set.delete(card);
}

let asked = 0;
/** Reads the devices soon: several new ones cause one request. */
function askForDevices() {
  asked ||= setTimeout(() => {
    asked = 0;
    readDevices().catch(() => {}); // the connection's own state is shown already
  }, 1000);
}

setInterval(() => { if (!document.hidden && lostAt === null) askForDevices(); }, DEVICES_EVERY);

// Lines: history is read for what is looked at, a few requests at a time.

function readLines(card) {
  for (const channel of card.channels.values()) {
    if (!channel.line || channel.wasRead) continue;
    channel.wasRead = true;
    toRead.push([card, channel]);
  }
  while (readers < READERS && toRead.length > 0) readNext();
}

async function readNext() {
  readers += 1;
  const [card, channel] = toRead.shift();
  try {
    const start = Date.now() - 3_600_000;
    const query = new URLSearchParams({ device: card.id, channel: channel.name, start, every: "1m", fn: "avg,count", limit: 100 });
    channel.line.fill((await ask("GET", `/history?${query}`)).buckets);
    touch(card);
  } catch {
    channel.wasRead = false; // read again when it is next looked at
  } finally {
    readers -= 1;
    if (toRead.length > 0) readNext();
  }
}

function readLinesAgain() {
  toRead = [];
  for (const card of cards.values()) for (const channel of card.channels.values()) channel.wasRead = false;
  visible.forEach(readLines);
}

// The connection.

const live = new Live({
  frame: take,
  state(name, seconds) {
    const was = document.body.dataset.link;
    if (name === "lost" && lostAt === null) lostAt = Date.now();
    if (name === "live") everLive = true;
    if (name === "live" && lostAt !== null) {
      lostAt = null;
      readLinesAgain();
      askForDevices();
    }
    const shows = name === "connecting" && lostAt !== null ? "lost" : name;
    document.body.dataset.link = byId("link").dataset.state = shows;
    if (was !== shows || name === "live") byId("link-text").textContent = said(shows);
    byId("link").title = seconds ? `The next attempt is in ${seconds.toFixed(0)} s` : "";
  },
  restart(reason) {
    if (reason === "epoch") [...cards.values()].forEach(forget);
    askForDevices();
    note(reason === "gap"
      ? "While this page was away, some frames went out of the history. The values are the latest; lines may have gaps."
      : "The gateway has a new history. What was shown here before belongs to the old one.");
  },
  refused: () => ask("GET", "/me").catch(() => {}), // not signed in any more: `ask` leads to the sign-in
});

function said(state) {
  if (state === "live") return "Live";
  if (state === "lost" && !everLive) return "The gateway does not answer, trying again";
  if (state === "lost") return `Connection lost at ${when(lostAt)}, trying again`;
  return "Connecting";
}

function note(text) {
  byId("note").hidden = false;
  byId("note").querySelector("span").textContent = text;
}

byId("note").querySelector("button").addEventListener("click", () => { byId("note").hidden = true; });

/** Sends a command; gives what to say about it. */
async function send(device, name, value) {
  try {
    const reply = await live.command(device, name, value, 5);
    return `Reply: ${JSON.stringify(reply)}`;
  } catch (error) {
    if (error.code !== "timeout") return sentence(error);
    return cards.get(device)?.online ? "Sent; no reply within 5 s." : "The device is offline; the command waits for it.";
  }
}

// Finding.

function matches(card) {
  return card.search.includes(byId("find").value.trim().toLowerCase());
}

byId("find").addEventListener("input", () => {
  let found = 0;
  for (const card of cards.values()) {
    const matching = matches(card);
    card.element.hidden = !matching;
    found += matching;
  }
  byId("unfound").hidden = found > 0;
});

// Begin.

const port = document.documentElement.dataset.mqttPort;
byId("first").append(snippet("mosquitto_pub", firstLine(location.hostname, port, "kitchen")));
live.connect();
readDevices().catch((error) => note(sentence(error)));
