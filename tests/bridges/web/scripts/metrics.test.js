// What the System page makes of /metrics, and advice for rejected messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { metricsOf, rate } from "../../../../bridges/web/static/metrics.js";
import { remedy } from "../../../../bridges/web/static/remedy.js";

test("metrics without labels are read with their help", () => {
  const text = [
    "# HELP gateway_devices Devices registered",
    "# TYPE gateway_devices gauge",
    "gateway_devices 3.0",
    'x{a="b"} 1',
  ].join("\n");
  assert.deepEqual(metricsOf(text), [
    { name: "gateway_devices", help: "Devices registered", kind: "gauge", value: 3 },
  ]);
  assert.deepEqual(metricsOf(""), []);
});

test("rates", () => {
  assert.equal(rate(10, 40, 3000), 10);
  assert.equal(rate(40, 10, 3000), 0);
  assert.equal(rate(1, 2, 0), 0);
});

test("advice follows from the reason", () => {
  assert.equal(remedy("begins as JSON and is none", "a/b"), "remedy.json");
  assert.equal(remedy("'Living room lamp' is no device id", "a/b"), "remedy.id");
  assert.equal(remedy("something else", "a/b"), "");
});
