// The WebSocket of the pages: what it asks for, what it makes of answers, and how it comes back.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Live } from "../../../../bridges/web/static/live.js";
import { FakeSocket, FakeTimers } from "./fake_socket.js";

let sockets, timers, frames, states, restarts, retries, live;
const HELLO = { type: "hello", epoch: "a", seq: 10 };
const ACK = { type: "ack", id: "all", seq: 10 };
const frame = (seq, more = {}) => ({
  type: "telemetry",
  seq,
  device: "k",
  channel: "t",
  ts: seq,
  value: 1,
  ...more,
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  [sockets, frames, states, restarts] = [[], [], [], []];
  retries = 0;
  timers = new FakeTimers();
  const hooks = {
    frame: (each, isNew) => frames.push([each.seq, isNew]),
    state: (name) => states.push(name),
    restart: (reason) => restarts.push(reason),
    beforeRetry: async () => {
      retries += 1;
    },
  };
  const open = () => {
    sockets.push(new FakeSocket());
    return sockets.at(-1);
  };
  live = new Live("#", hooks, { open, timers });
  live.connect();
});

const begin = () => sockets[0].say(HELLO, ACK);

async function again() {
  sockets.at(-1).end();
  timers.pass(60_000);
  await settled();
  return sockets.at(-1);
}

test("it subscribes to the present, and tells what was there before from what is new", () => {
  begin();
  sockets[0].say(frame(9), frame(11));
  assert.deepEqual(sockets[0].sent, [
    { type: "subscribe", id: "all", filter: "#", mode: "latest" },
  ]);
  assert.deepEqual(frames, [
    [9, false],
    [11, true],
  ]);
  assert.deepEqual(states, ["connecting", "live"]);
});

test("after a lost connection it goes on after the greatest seq", async () => {
  begin();
  sockets[0].say(frame(15), frame(12));
  const socket = await again();
  socket.say({ ...HELLO, seq: 20 });
  assert.deepEqual(socket.sent[0], {
    type: "subscribe",
    id: "all",
    filter: "#",
    mode: "latest",
    since: 15,
    epoch: "a",
  });
  assert.equal(retries, 1);
  assert.ok(states.includes("lost"));
});

test("a message of a later version costs neither the place nor the page", async () => {
  begin();
  sockets[0].say(
    frame(15),
    { type: "weather", value: 3 },
    { type: "alert", seq: "x" },
    { type: "pong" },
  );
  assert.deepEqual(
    frames.map(([seq]) => seq),
    [15],
  );
  const socket = await again();
  socket.say({ ...HELLO, seq: 20 });
  assert.equal(socket.sent[0].since, 15);
});

test("another epoch begins anew and says so", async () => {
  begin();
  sockets[0].say(frame(15));
  const socket = await again();
  socket.say({ type: "hello", epoch: "b", seq: 3 });
  assert.deepEqual(restarts, ["epoch"]);
  assert.equal("since" in socket.sent[0], false);
});

test("a gap and a cursor of the future begin anew too", () => {
  begin();
  sockets[0].say({ type: "gap", from: 1, to: 5 });
  sockets[0].say({ type: "error", id: "all", code: "future_cursor", message: "" });
  assert.deepEqual(restarts, ["gap", "epoch"]);
  assert.equal(sockets[0].sent.length, 3);
});

test("a quiet connection is asked, and given up when nothing answers", async () => {
  begin();
  timers.pass(20_000);
  assert.deepEqual(sockets[0].sent.at(-1), { type: "ping" });
  sockets[0].say({ type: "pong" });
  timers.pass(19_000);
  assert.equal(states.at(-1), "live");
  timers.pass(9_000);
  assert.equal(states.at(-1), "lost");
  await settled();
});

test("a command gives its id, or the gateway's refusal", async () => {
  begin();
  const sending = live.command("k", "led", 1);
  sockets[0].say({ type: "ack", id: "c1", command: "5f" });
  assert.equal(await sending, "5f");
  const refused = live.command("x", "led", 1);
  sockets[0].say({ type: "error", id: "c2", code: "not_found", message: "there is no device x" });
  await assert.rejects(refused, { code: "not_found" });
  const lost = live.command("k", "led", 1);
  sockets[0].end();
  await assert.rejects(lost);
  await assert.rejects(live.command("k", "led", 1));
});

test("it tries again at once when hurried, once", async () => {
  begin();
  sockets[0].end();
  live.hurry();
  live.hurry();
  await settled();
  assert.equal(sockets.length, 2);
});

test("what an old connection still says is nothing to it", async () => {
  begin();
  const socket = await again();
  sockets[0].say(frame(99));
  assert.deepEqual(frames, []);
  assert.equal(socket, sockets[1]);
});

test("integers beyond a double's reach stay as they were sent where the browser tells", () => {
  begin();
  sockets[0].say(
    '{"type":"telemetry","seq":11,"device":"k","channel":"t","ts":1,"value":12345678901234567}',
  );
  assert.deepEqual(frames, [[11, true]]);
});
