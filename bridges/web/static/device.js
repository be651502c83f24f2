// One device: who it is, its values and charts, what it can be told, and what happened.

import "./language.js";
import { ask, deviceUrl } from "./api.js";
import { Charts, wanted } from "./charts.js";
import { Controls } from "./controls.js";
import { DeviceLog, awaySpans } from "./device-log.js";
import { byId, make, write } from "./dom.js";
import { Fates, showFate } from "./fate.js";
import { HistoryReader } from "./history-reader.js";
import { LinkState, showLink } from "./link-state.js";
import { Live, wake } from "./live.js";
import { placeOf } from "./order.js";
import { attempt, begin } from "./page.js";
import { recorded, standing, stateOf, told } from "./presence.js";
import { Reading } from "./reading.js";
import { remedy } from "./remedy.js";
import { t } from "./text.js";
import { byName, date, exactly, when, whole } from "./words.js";

const CHARTED = 4; // channels that have a chart at first
const TICK = 5_000; // ms between looks at ages
const LOG = 100; // frames of the story at first

begin();

const id = decodeURIComponent(location.pathname.slice("/devices/".length));
/** @type {DeviceRecord} */
let record = { id };
/** @type {import("./presence.js").Presence | null} */
let presence = null;
/** @type {Map<string, Reading>} */
const readings = new Map();
const fates = new Fates(),
  link = new LinkState(),
  log = new DeviceLog(byId("log"));
const charts = new Charts(
  id,
  byId("charts"),
  byId("ranges"),
  (channel) => record.about?.channels?.[channel],
);
const controls = new Controls(byId("controls"), send);
const reader = new HistoryReader((path) => ask("GET", path), draw);
let drawing = 0;
const markRanges = charts.changed;
charts.changed = () => {
  markRanges();
  for (const reading of readings.values()) reading.mark(charts.has(reading.name));
};

/** At most once a picture. */
function draw() {
  if (drawing === 0) drawing = requestAnimationFrame(render);
}

function render() {
  drawing = 0;
  const now = Date.now();
  for (const reading of visible) reading.render(now);
  byId("dot").dataset.state = stateOf(presence);
  write(byId("standing"), standing(presence, record, readings.size > 0, now));
  byId("silent").hidden = readings.size > 0;
}

setInterval(draw, TICK);

// Who it is.

async function readDevice() {
  record = await ask("GET", deviceUrl(id));
  if (!presence?.since) presence = recorded(record);
  const name = record.name || record.about?.name || id;
  document.title = `${name} · Gateway`;
  write(byId("name"), name);
  byId("tags").replaceChildren(...tags().map((word) => make("span", { className: "tag" }, word)));
  byId("facts").replaceChildren(
    ...facts().flatMap(([key, value]) => [make("dt", {}, t(key)), make("dd", {}, value)]),
  );
  controls.show(record.about);
  for (const reading of readings.values()) if (reading.frame) controls.take(reading.frame);
  draw();
}

/** @returns {string[]} */
function tags() {
  const { type = "", disabled, about } = record;
  return [type, ...(about?.tags ?? []), disabled ? t("devices.disabled") : ""].filter(Boolean);
}

/** What is known of it, without what is not. @returns {[string, string][]} */
function facts() {
  const { about, type, parent, convention, created, topics } = record;
  const all = /** @type {[string, string | undefined | null][]} */ ([
    ["devices.id", id],
    ["devices.type", type],
    ["device.manufacturer", about?.manufacturer],
    ["device.model", about?.model],
    ["device.version", about?.version],
    ["device.convention", convention],
    ["device.parent", parent],
    ["device.added", created ? date(created) : ""],
    ["devices.grants", topics?.join(", ")],
  ]);
  return /** @type {[string, string][]} */ (all.filter(([, value]) => value));
}

// Its values.

/** @param {Frame} frame @param {boolean} isNew */
function take(frame, isNew) {
  fates.take(frame);
  if (frame.type === "presence") presence = told(frame);
  if (frame.type !== "telemetry") {
    if (isNew) log.take(frame);
    if (frame.type === "presence") charts.away(awaySpans(log.frames, Date.now()));
    return draw();
  }
  const reading = readingOf(frame.channel);
  reading.take(frame, isNew);
  controls.take(frame);
  charts.take(frame, isNew);
  offer(reading);
  return draw();
}

/** @type {Reading[]} by name */
const inOrder = [];
/** @type {Map<Element, Reading>} */
const readingAt = new Map();
/** @type {Set<Reading>} */
const visible = new Set();
// A device may have a thousand channels: what nobody looks at is neither drawn nor read.
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const reading = /** @type {Reading} */ (readingAt.get(target));
      if (isIntersecting) visible.add(reading);
      else visible.delete(reading);
    }
    want();
    draw();
  },
  { rootMargin: "200px" },
);

/** Reads the last hour of the numbers that are looked at. */
function want() {
  reader.want(
    id,
    [...visible].filter((reading) => reading.isNumeric),
  );
}

/** @param {string} name */
function readingOf(name) {
  const known = readings.get(name);
  if (known) return known;
  const reading = new Reading(name, record.about?.channels?.[name], (channel) =>
    charts.toggle(channel),
  );
  const place = placeOf(inOrder, reading, (a, b) => byName(a.name, b.name));
  byId("readings").insertBefore(reading.element, inOrder[place]?.element ?? null);
  inOrder.splice(place, 0, reading);
  readings.set(name, reading);
  readingAt.set(reading.element, reading);
  seen.observe(reading.element);
  return reading;
}

const asked = wanted();
/** @type {Set<string>} */
const offered = new Set();
/**
 * Draws a chart for what the address asks for, or else for the first numbers.
 * @param {Reading} reading
 */
function offer(reading) {
  if (offered.has(reading.name) || !reading.isNumeric) return;
  offered.add(reading.name);
  const isNumber = typeof reading.frame?.value === "number";
  const first =
    asked.length > 0 ? asked.includes(reading.name) : charts.channels.length < CHARTED && isNumber;
  if (first && !charts.has(reading.name)) charts.show(reading.name);
  reading.mark(charts.has(reading.name));
}

// What happened.

async function readLog() {
  const query = new URLSearchParams([
    ["device", id],
    ["type", "presence"],
    ["type", "command"],
    ["type", "reply"],
    ["order", "desc"],
    ["limit", String(LOG)],
  ]);
  log.fill((await ask("GET", `/history?${query}`)).frames);
  byId("quiet").hidden = log.frames.length > 0;
  charts.away(awaySpans(log.frames, Date.now()));
}

async function readRejected() {
  const { rejected } = await ask("GET", "/rejected?limit=500");
  const mine = rejected.filter((/** @type {any} */ each) => each.device === id).slice(0, 5);
  byId("rejections").hidden = mine.length === 0;
  byId("rejected").replaceChildren(
    ...mine.map((/** @type {any} */ each) =>
      make(
        "li",
        {},
        make(
          "div",
          { className: "name" },
          make("code", {}, each.topic),
          make(
            "time",
            {
              className: "muted",
              title: exactly(each.at),
              dateTime: new Date(each.at).toISOString(),
            },
            when(each.at),
          ),
        ),
        make("p", { className: "why" }, each.reason),
        make("p", { className: "about" }, remedy(each.reason, each.topic)),
        make(
          "pre",
          { className: "payload", tabIndex: 0, ariaLabel: t("rejected.payload") },
          whole(each.payload),
        ),
      ),
    ),
  );
}

// The connection.

const live = new Live(`${id}/#`, {
  frame: take,
  state(name, seconds) {
    if (link.change(name)) charts.again();
    showLink(byId("link"), link, seconds);
  },
  restart: () => charts.again(),
  beforeRetry: () => ask("GET", "/me").catch(() => {}),
});

/** @param {string} name @param {Value} value @param {HTMLElement} place */
function send(name, value, place) {
  return fates.follow(live.command(id, name, value), (fate) =>
    showFate(place, fate, presence?.online),
  );
}

const url = `/docs?device=${encodeURIComponent(id)}`;
for (const place of [byId("connect"), byId("connect-first")])
  /** @type {HTMLAnchorElement} */ (place).href = url;
if (await attempt(readDevice)) {
  wake(live);
  live.connect();
  attempt(() => Promise.all([readLog(), readRejected()]));
}
