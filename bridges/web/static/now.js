// The board: every device's latest values, live.

import "./language.js";
import { ask, sentence } from "./api.js";
import { Board } from "./board.js";
import { Card } from "./card.js";
import { byId, inputById, snippet, write } from "./dom.js";
import { Fates, showFate } from "./fate.js";
import { HistoryReader } from "./history-reader.js";
import { LinkState, showLink } from "./link-state.js";
import { Live, wake } from "./live.js";
import { begin } from "./page.js";
import { place } from "./place.js";
import { firstLine } from "./snippets.js";
import { t } from "./text.js";

const TICK = 10_000; // ms between looks at ages and lines
const DEVICES_EVERY = 60_000;
const SEARCH_FROM = 7; // devices

begin();

const reader = new HistoryReader(
  (path) => ask("GET", path),
  (device) => {
    const card = board.get(device);
    if (card) board.touch(card);
  },
);
const board = new Board(byId("board"), { seen: readLines, drawn: summarize });
const link = new LinkState();
const fates = new Fates();
let listed = false;

function summarize() {
  write(byId("count"), t("board.count", { count: board.size, online: board.online }));
  byId("tools").hidden = board.size < SEARCH_FROM;
  byId("empty").hidden = !listed || board.size > 0;
}

setInterval(() => board.touchVisible(), TICK);

// Devices and their frames.

/** @param {DeviceRecord} record */
function cardFor(record) {
  const known = board.get(record.id);
  if (known) return known;
  const card = new Card(record, send);
  board.add(card);
  return card;
}

/** @param {Frame} frame @param {boolean} isNew */
function take(frame, isNew) {
  fates.take(frame);
  if (frame.type !== "telemetry" && frame.type !== "presence") return;
  if (!board.get(frame.device)) askForDevices();
  const card = cardFor({ id: frame.device });
  const channels = card.channels.size;
  card.take(frame, isNew);
  board.touch(card);
  if (card.channels.size !== channels && board.isVisible(card)) readLines(card);
}

async function readDevices() {
  /** @type {{devices: DeviceRecord[]}} */
  const { devices } = await ask("GET", "/devices");
  const ids = new Set(devices.map((device) => device.id));
  for (const device of devices) {
    if (device.state === "pending") continue;
    const card = cardFor(device);
    card.describe(device);
    board.touch(card);
  }
  for (const card of [...board.all]) if (card.isRecorded && !ids.has(card.id)) board.remove(card);
  listed = true;
  summarize();
}

/** @type {any} */
let asked = 0;
/** Reads the devices soon: several new ones cause one request. */
function askForDevices() {
  asked ||= setTimeout(() => {
    asked = 0;
    readDevices().catch(() => {}); // the connection's own state is shown already
  }, 1000);
}

setInterval(() => {
  if (!document.hidden && !link.lost) askForDevices();
}, DEVICES_EVERY);

/** @param {Card} card */
function readLines(card) {
  reader.want(card.id, card.channels.values());
}

function readLinesAgain() {
  reader.clear();
  for (const card of board.all)
    for (const channel of card.channels.values()) channel.wasRead = false;
  board.forVisible(readLines);
}

// The connection.

const live = new Live("#", {
  frame: take,
  state(name, seconds) {
    if (link.change(name)) {
      readLinesAgain();
      askForDevices();
    }
    showLink(byId("link"), link, seconds);
  },
  restart(reason) {
    if (reason === "epoch") [...board.all].forEach((card) => board.remove(card));
    askForDevices();
    note(t(`board.${reason}`));
  },
  // Not signed in any more: `ask` leads to the sign-in.
  beforeRetry: () => ask("GET", "/me").catch(() => {}),
});

/** @param {string} text */
function note(text) {
  byId("note").hidden = false;
  write(/** @type {Element} */ (byId("note").firstElementChild), text);
}

byId("dismiss").addEventListener("click", () => {
  byId("note").hidden = true;
});

/**
 * Sends a command and shows what becomes of it.
 * @param {Card} card
 * @param {string} name
 * @param {Value} value
 * @param {HTMLElement} where
 */
function send(card, name, value, where) {
  return fates.follow(live.command(card.id, name, value), (fate) =>
    showFate(where, fate, card.online),
  );
}

// Finding.

const find = inputById("find"),
  only = inputById("only");

function search() {
  board.find(find.value, only.value);
  byId("unfound").hidden = board.size === 0 || board.found > 0;
}

find.addEventListener("input", search);
only.addEventListener("change", search);

// Begin.

byId("first").append(snippet("mosquitto_pub", firstLine(place(), "kitchen")));
wake(live);
live.connect();
readDevices().catch((error) => note(sentence(error)));
