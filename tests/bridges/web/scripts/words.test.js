// Values and times as people read them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { has, speak, t } from "../../../../bridges/web/static/text.js";
import {
  ago,
  number,
  shown,
  size,
  typed,
  when,
  whole,
} from "../../../../bridges/web/static/words.js";

const words = (language) =>
  JSON.parse(
    readFileSync(
      new URL(`../../../../bridges/web/static/${language}.json`, import.meta.url),
      "utf8",
    ),
  );

beforeEach(() => speak(words("en"), "en"));

test("numbers are the numbers sent", () => {
  for (const value of [0, 123456789, 3735928559, 1795816185646, -17, 2 ** 53 - 1]) {
    assert.equal(number(value), String(value));
  }
  assert.equal(number(12345678.9), "12345678.9");
  assert.equal(number(22.246000000000002), "22.246");
  assert.equal(number(0.000025), "0.000025");
  assert.equal(number(1e-9), "1e-9");
  assert.equal(number(1e300), "1e+300");
  assert.equal(number(12345678901234567890n), "12345678901234567890");
  assert.equal(number(21.456, 1), "21.5");
  assert.equal(number(21, 1), "21.0");
});

test("numbers are written as the language does", () => {
  speak(words("de"), "de");
  assert.equal(number(21.5), "21,5");
});

test("values in one line, and whole", () => {
  assert.equal(shown("x".repeat(300)), `${"x".repeat(200)}…`);
  assert.equal(shown({ base64: "AP8=" }), "2 bytes");
  assert.equal(shown({ a: [1, "b"] }), '{"a":[1,"b"]}');
  assert.equal(shown(""), "“”");
  assert.equal(shown(null), "null");
  assert.equal(whole("x".repeat(300)).length, 300);
  assert.equal(whole(22.246000000000002), "22.246000000000002");
});

test("what somebody types is JSON where it is, else text", () => {
  assert.deepEqual(typed('{"a":1}'), { a: 1 });
  assert.equal(typed("on"), "on");
  assert.equal(typed(""), null);
});

test("times", () => {
  const now = new Date(2026, 10, 20, 14, 2).getTime();
  assert.match(when(now - 60_000, now), /2:01|14:01/);
  assert.match(when(now - 3 * 86_400_000, now), /17/);
  assert.match(when(now - 400 * 86_400_000, now), /2025/);
  assert.equal(ago(now - 30_000, now), "");
  assert.match(ago(now - 150_000, now), /^2 min/);
  assert.match(ago(now - 26 * 3_600_000, now), /^1 day/);
});

test("sizes", () => assert.match(size(1_536_000), /1\.5 MB/));

test("texts fill in values and choose the plural; what is missing is seen", () => {
  speak({ "n.one": "{count} thing", "n.other": "{count} things", a: "{b} {b} {c}" }, "en");
  assert.equal(t("n", { count: 1 }), "1 thing");
  assert.equal(t("n", { count: 2 }), "2 things");
  assert.equal(t("a", { b: "$&" }), "$& $& {c}");
  assert.equal(t("none"), "none");
  assert.equal(has("a"), true);
});
