// How the gateway is: version, rates, connections, memory, and every metric.

import "./language.js";
import { sentence } from "./api.js";
import { byId, make, write } from "./dom.js";
import { metricsOf, rate } from "./metrics.js";
import { attempt, begin } from "./page.js";
import { t } from "./text.js";
import { ago, counted, size } from "./words.js";

const EVERY = 3_000; // ms

begin();

let version = "";
/** @type {Map<string, number>} */
let before = new Map();
let readAt = 0;

/**
 * @typedef {(value: (name: string) => number, perSecond: (name: string) => number) => string} Fact
 */

/** What stands large, by the key of its text. @type {Record<string, Fact>} */
const FACTS = {
  version: () => version,
  uptime: (value) =>
    ago(value("process_start_time_seconds") * 1000).replace(/^(vor|ago)\s|\sago$/g, "") ||
    t("system.just-now"),
  devices: (value) =>
    `${counted(value("gateway_devices_online"))} / ${counted(value("gateway_devices"))}`,
  frames: (_, perSecond) => `${counted(perSecond("gateway_frames_stored_total"))}/s`,
  stored: (value) => counted(value("gateway_frames_stored_total")),
  connections: (value) =>
    counted(value("gateway_broker_connections") + value("gateway_http_connections")),
  listeners: (value) => counted(value("gateway_websockets") + value("gateway_event_streams")),
  rejected: (value) => counted(value("gateway_messages_rejected_total")),
  channels: (value) => counted(value("gateway_series")),
  memory: (value) => size(value("process_resident_memory_bytes")),
  database: (value) =>
    value("gateway_database_bytes") ? size(value("gateway_database_bytes")) : "–",
  processor: (_, perSecond) => `${counted(perSecond("process_cpu_seconds_total") * 100)} %`,
};

const places = Object.fromEntries(
  Object.keys(FACTS).map((name) => {
    const value = make("p", { className: "big" });
    byId("facts").append(
      make("div", { className: "fact" }, make("h2", {}, t(`system.${name}`)), value),
    );
    return [name, value];
  }),
);

const show = () =>
  attempt(async () => {
    const answer = await fetch("/metrics");
    if (!answer.ok) throw new Error(t("problem.status", { status: answer.status }));
    const metrics = metricsOf(await answer.text()),
      now = Date.now();
    const values = new Map(metrics.map(({ name, value }) => [name, value]));
    const value = (/** @type {string} */ name) => values.get(name) ?? 0;
    const perSecond = (/** @type {string} */ name) =>
      rate(before.get(name) ?? value(name), value(name), now - readAt);
    for (const [name, fact] of Object.entries(FACTS)) write(places[name], fact(value, perSecond));
    byId("metrics").replaceChildren(
      ...metrics.map(({ name, help, value: is }) =>
        make(
          "tr",
          {},
          make("td", {}, make("code", {}, name)),
          make("td", {}, help),
          make("td", { className: "number" }, counted(is)),
        ),
      ),
    );
    [before, readAt] = [values, now];
  });

async function ready() {
  const answer = await fetch("/readyz").catch(() => null);
  const told = answer?.ok ? null : await answer?.json().catch(() => ({}));
  byId("ready").dataset.state = answer?.ok ? "live" : "lost";
  const why = (told?.reasons ?? []).join(", ");
  write(
    /** @type {Element} */ (byId("ready").lastElementChild),
    answer?.ok ? t("system.ready") : why || t("system.not-ready"),
  );
}

async function look() {
  if (document.hidden) return;
  await Promise.all([show(), ready().catch((error) => sentence(error))]);
}

version =
  (
    await fetch("/openapi.json")
      .then((answer) => answer.json())
      .catch(() => ({}))
  ).info?.version ?? "–";
await look();
setInterval(look, EVERY);
