// Pure parts of the charts and of the story of a device.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isOn } from "../../../../bridges/web/static/controls.js";
import { awaySpans, isTold, story } from "../../../../bridges/web/static/device-log.js";
import {
  append,
  columnsOf,
  figures,
  readSeries,
  stepFor,
  stepName,
  withGaps,
} from "../../../../bridges/web/static/series.js";
import { speak } from "../../../../bridges/web/static/text.js";
import { TimeWindow } from "../../../../bridges/web/static/time-window.js";

const HOUR = 3_600_000,
  NOW = 500_000 * HOUR;

test("a window follows the present until it is moved, and goes back step by step", () => {
  const window = new TimeWindow("", NOW);
  assert.deepEqual([window.range, window.live, window.span], ["6h", true, 6 * HOUR]);
  window.advance(NOW + 1000);
  assert.equal(window.to, NOW + 1000);
  window.select(NOW - HOUR, NOW);
  window.advance(NOW + HOUR);
  assert.deepEqual([window.from, window.to, window.live], [NOW - HOUR, NOW, false]);
  window.pan(HOUR);
  assert.equal(window.to, NOW + HOUR);
  window.back();
  assert.equal(window.to, NOW);
  window.back();
  assert.equal(window.live, true);
  window.back();
  assert.equal(window.live, true);
});

test("zoom keeps what is under the pointer where it is, within bounds", () => {
  const window = new TimeWindow(`from=${NOW - 4 * HOUR}&to=${NOW}`);
  window.zoom(NOW - HOUR, 0.5);
  assert.deepEqual([window.from, window.to], [NOW - 2.5 * HOUR, NOW - 0.5 * HOUR]);
  for (let i = 0; i < 40; i += 1) window.zoom(NOW - HOUR, 0.1);
  assert.equal(window.span, 10_000);
  for (let i = 0; i < 80; i += 1) window.zoom(NOW - HOUR, 10);
  assert.ok(window.span <= 50 * 365 * 24 * HOUR);
});

test("a window that follows is brought up to the present before it is zoomed", () => {
  const window = new TimeWindow("range=1h", NOW);
  window.zoom(Infinity, 0.5, NOW + 900);
  assert.deepEqual([window.to, window.span, window.live], [NOW + 900, HOUR / 2, false]);
});

test("its state is in the address, and nonsense there is passed over", () => {
  const window = new TimeWindow("range=24h", NOW);
  assert.deepEqual(window.query, { range: "24h" });
  window.select(1000 * HOUR, 1002 * HOUR);
  const again = new TimeWindow(String(new URLSearchParams(window.query)), NOW);
  assert.deepEqual([again.from, again.to, again.live], [1000 * HOUR, 1002 * HOUR, false]);
  for (const query of ["range=toString", "from=5&to=1", "from=x&to=y"])
    assert.equal(new TimeWindow(query, NOW).range, "6h");
});

test("steps are those of a clock", () => {
  assert.equal(stepFor(HOUR, 800), 5_000);
  assert.equal(stepFor(24 * HOUR, 800), 120_000);
  assert.equal(stepName(stepFor(365 * 24 * HOUR, 800)), "12h");
  assert.equal(stepName(90 * 86_400_000), "90d");
  assert.equal(stepFor(1e14, 10), 7 * 86_400_000);
});

test("a line breaks where values are missing for long, and nowhere else", () => {
  const columns = (t) => ({
    t,
    min: t.map(() => 1),
    avg: t.map(() => 1),
    max: t.map(() => 1),
    count: t.map(() => 1),
  });
  assert.deepEqual(withGaps(columns([0, 10, 20, 100, 110])).avg, [1, 1, 1, null, 1, 1]);
  assert.deepEqual(withGaps(columns([0, 10, 30])).avg, [1, 1, 1]);
  assert.deepEqual(withGaps(columns([])).t, []);
});

test("/series answers buckets with empty ones between, or values, booleans and texts too", () => {
  const buckets = {
    t: [0, 10, 20],
    series: [{ min: [1, null, 3], avg: [2, null, 4], max: [3, null, 5], count: [2, 0, 2] }],
  };
  assert.deepEqual(columnsOf(buckets).avg, [2, 4]);
  const raw = { step: 0, series: [{ t: [1, 2, 3], value: [true, "x", 4] }] };
  assert.deepEqual(columnsOf(raw), {
    t: [1, 3],
    min: [1, 4],
    avg: [1, 4],
    max: [1, 4],
    count: [1, 1],
  });
  assert.deepEqual(columnsOf({ t: [], series: [] }).t, []);
});

test("without /series, buckets of /history serve, and /series is not asked again", async () => {
  const asked = [];
  const ask = async (path) => {
    asked.push(path);
    if (path.startsWith("/series"))
      throw Object.assign(new Error("nothing there"), { status: 404 });
    return { buckets: [{ ts: 1000, min: 1, avg: 2, max: 3, count: 4 }] };
  };
  const wanted = { device: "k", channel: "a/b", from: NOW - HOUR, to: NOW, points: 800 };
  assert.deepEqual((await readSeries(ask, wanted)).max, [3]);
  await readSeries(ask, wanted);
  assert.deepEqual(
    asked.map((path) => path.split("?")[0]),
    ["/series", "/history", "/history"],
  );
  assert.match(asked[1], /channel=a%2Fb&.*every=5s/);
});

test("figures are of what is shown; a mean weighs by count", () => {
  const columns = {
    t: [1, 2, 3, 9],
    min: [0, null, 4, 99],
    avg: [1, null, 5, 99],
    max: [2, null, 6, 99],
    count: [1, 0, 3, 1],
  };
  assert.deepEqual(figures(columns, 1, 5), { last: 5, min: 0, avg: 4, max: 6, count: 4 });
  assert.equal(figures(columns, 20, 30), null);
  append(columns, 10, 7);
  append(columns, 4, 8);
  assert.deepEqual(columns.t, [1, 2, 3, 9, 10]);
});

test("the story of a device in words", () => {
  speak(
    JSON.parse(
      readFileSync(new URL("../../../../bridges/web/static/en.json", import.meta.url), "utf8"),
    ),
    "en",
  );
  assert.equal(
    story({ type: "presence", value: "offline", reason: "keep_alive" }),
    "Offline · no sign of life",
  );
  assert.equal(story({ type: "presence", value: "online" }), "Online");
  assert.equal(
    story({ type: "presence", value: "offline", reason: "of_a_later_version" }),
    "Offline · of a later version",
  );
  assert.equal(
    story({ type: "command", channel: "led", value: 1, state: "queued" }),
    "Command led = 1",
  );
  assert.equal(story({ type: "reply", channel: "led", value: "on" }), "Reply of led: on");
  assert.equal(isTold({ type: "command", state: "sent" }), false);
  assert.equal(isTold({ type: "telemetry" }), false);
});

test("when a device was away", () => {
  const frame = (seq, value) => ({ type: "presence", seq, ts: seq * 10, value });
  assert.deepEqual(
    awaySpans(
      [frame(3, "online"), frame(2, "offline"), frame(1, "online"), frame(5, "offline")],
      99,
    ),
    [
      { from: 20, to: 30 },
      { from: 50, to: 99 },
    ],
  );
});

test("what counts as on", () => {
  for (const value of [true, 1, "ON", "true"]) assert.ok(isOn(value));
  for (const value of [false, 0, "off", null, 2, {}]) assert.ok(!isOn(value));
});
