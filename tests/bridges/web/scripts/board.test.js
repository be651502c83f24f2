// Pure parts of the board: order, the latest frame, sparklines, fates, the state of the connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Channel, outOfRange } from "../../../../bridges/web/static/channel.js";
import { Fates, fateText } from "../../../../bridges/web/static/fate.js";
import { HistoryReader } from "../../../../bridges/web/static/history-reader.js";
import { newer } from "../../../../bridges/web/static/latest.js";
import { LinkState } from "../../../../bridges/web/static/link-state.js";
import { placeOf } from "../../../../bridges/web/static/order.js";
import { Sparkline, pathsOf } from "../../../../bridges/web/static/sparkline.js";

test("each goes where it belongs, whatever comes first", () => {
  const sorted = [];
  for (const item of [5, 1, 4, 1, 9, 0])
    sorted.splice(
      placeOf(sorted, item, (a, b) => a - b),
      0,
      item,
    );
  assert.deepEqual(sorted, [0, 1, 1, 4, 5, 9]);
});

test("the latest is the greatest ts, the greater seq among equals", () => {
  const at = (ts, seq) => ({ ts, seq });
  assert.ok(newer(at(1, 1), null));
  assert.ok(newer(at(2, 1), at(1, 9)));
  assert.ok(!newer(at(1, 9), at(2, 1)));
  assert.ok(newer(at(1, 2), at(1, 1)));
  assert.ok(!newer(at(1, 1), at(1, 2)));
});

test("a line has a gap where values are missing for long, and a dot where one stands alone", () => {
  const line = (points) => pathsOf(points).line;
  assert.equal(line([]), "");
  assert.equal(line([[7, 3]]), "M7 10.00h0");
  assert.equal(
    line([
      [1, 0],
      [2, 10],
      [3, 5],
    ]),
    "M1 20.00h0L2 0.00L3 10.00",
  );
  assert.equal(
    line([
      [5, 0],
      [10, 1],
      [15, 0],
    ]),
    "M5 20.00h0L10 0.00L15 20.00",
  ); // every five minutes
  assert.equal(
    line([
      [1, 0],
      [2, 1],
      [3, 0],
      [20, 1],
    ]).split("M").length,
    3,
  );
  assert.equal(pathsOf([[7, 3]]).area, "");
  assert.equal(
    pathsOf([
      [1, 0],
      [2, 1],
    ]).area,
    "M1 20.00L2 0.00V24H1Z",
  );
});

test("a line is an average a minute over the last hour", () => {
  const spark = new Sparkline(),
    now = 3_600_000 * 10;
  spark.add(now - 60_000, 1);
  spark.add(now - 59_000, 3);
  spark.add(now - 3_700_000, 9);
  spark.fill([
    { ts: now - 120_000, avg: 5, count: 2 },
    { ts: now - 180_000, avg: null, count: 0 },
  ]);
  assert.deepEqual(spark.points(now), [
    [58, 5],
    [59, 2],
  ]);
});

test("the fate of a command is told by frames, also those that come before its id", async () => {
  const fates = new Fates(),
    told = [];
  fates.take({ type: "command", id: "a", state: "queued" });
  fates.take({ type: "command", id: "a", state: "sent" });
  await fates.follow(Promise.resolve("a"), (fate) => told.push(fate.state));
  fates.take({ type: "command", id: "a", state: "delivered" });
  fates.take({ type: "reply", id: "a", value: 1 });
  fates.take({ type: "command", id: "a", state: "replied" });
  fates.take({ type: "telemetry", value: 1 });
  assert.deepEqual(told, ["sending", "sent", "delivered", "replied"]);
});

test("a refused command says why, and an offline device that it waits", async () => {
  const told = [];
  await new Fates().follow(Promise.reject(new Error("too many")), (fate) => told.push(fate));
  assert.deepEqual(told.at(-1), { state: "refused", error: "Too many." });
  assert.equal(fateText({ state: "queued" }, false), "fate.waits");
  assert.equal(fateText({ state: "delivered" }), "fate.delivered");
  assert.equal(fateText({ state: "failed", error: "gone" }), "fate.failed: gone");
});

test("only so many fates are kept", () => {
  const fates = new Fates(),
    told = [];
  for (let id = 0; id < 1000; id += 1)
    fates.take({ type: "command", id: String(id), state: "sent" });
  return fates
    .follow(Promise.resolve("0"), (fate) => told.push(fate.state))
    .then(() => {
      assert.deepEqual(told, ["sending", "queued"]);
    });
});

test("history is read three at a time, and again after a failure", async () => {
  const asked = [],
    answers = [];
  const reader = new HistoryReader(
    (path) =>
      new Promise((resolve, reject) => {
        asked.push(path);
        answers.push({ resolve, reject });
      }),
    () => {},
  );
  const channels = [1, 2, 3, 4].map((n) => {
    const channel = new Channel(`c${n}`);
    channel.take({ ts: 1, seq: 1, value: 1 }, true);
    return channel;
  });
  reader.want("kitchen", channels);
  assert.equal(asked.length, 3);
  assert.match(asked[0], /device=kitchen&channel=c1/);
  answers[0].reject(new Error("away"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked.length, 4);
  assert.equal(channels[0].wasRead, false);
  reader.want("kitchen", channels);
  reader.clear();
  assert.equal(channels[0].wasRead, false);
});

test("the state of the connection", () => {
  const state = new LinkState();
  assert.equal(state.change("live"), false);
  assert.equal(state.text, "link.live");
  state.change("lost", 5);
  state.change("connecting");
  assert.deepEqual([state.name, state.text, state.lost], ["lost", "link.lost", true]);
  assert.equal(state.change("live"), true);
  const never = new LinkState();
  never.change("lost");
  assert.equal(never.text, "link.away");
});

test("a value out of what the device announced", () => {
  assert.ok(outOfRange(61, { max: 60 }));
  assert.ok(!outOfRange(60, { min: 0, max: 60 }));
  assert.ok(!outOfRange("x", { max: 1 }));
  assert.ok(!outOfRange(61, undefined));
});
