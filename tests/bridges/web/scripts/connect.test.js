// What the Connect page offers: addresses that boards can reach, and sketches of the repository.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { placeOf } from "../../../../bridges/web/static/place.js";
import {
  filled,
  firstLine,
  forEsp32,
  iotcommunicate,
  programs,
  things,
} from "../../../../bridges/web/static/snippets.js";

const example = (path) =>
  readFileSync(new URL(`../../../../examples/${path}`, import.meta.url), "utf8");
const at = (hostname, port = "8080", protocol = "http:") => ({ hostname, port, protocol });
const PORTS = { mqttPort: "1884", mqttsPort: "" };

test("a board is never told to connect to localhost", () => {
  for (const local of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"]) {
    const place = placeOf({ ...PORTS, lan: "192.168.7.9" }, at(local));
    assert.equal(place.host, "192.168.7.9");
    assert.equal(place.web, "http://192.168.7.9:8080");
    assert.equal(place.known, true);
  }
  const alone = placeOf({ ...PORTS, lan: "" }, at("localhost"));
  assert.deepEqual([alone.host, alone.known], ["YOUR-COMPUTER", false]);
});

test("the configured address goes before the one in the address bar", () => {
  const place = placeOf(
    { ...PORTS, url: "https://gateway.example/", lan: "10.0.0.2" },
    at("localhost"),
  );
  assert.deepEqual(
    [place.host, place.web, place.ws, place.webPort],
    ["gateway.example", "https://gateway.example", "wss://gateway.example", "443"],
  );
  assert.equal(
    placeOf(PORTS, at("gateway.club.org", "", "https:")).web,
    "https://gateway.club.org",
  );
});

const place = placeOf({ ...PORTS, lan: "192.168.7.9" }, at("localhost"));
const device = { id: "balcony-2", key: "s3cret" };

for (const path of ["esp8266/esp8266.ino", "esp32/esp32.ino", "arduino_http/arduino_http.ino"]) {
  test(`${path} is filled in`, () => {
    const sketch = filled(example(path), place, device, "4321");
    assert.match(sketch, /GATEWAY = "192\.168\.7\.9"/);
    assert.match(sketch, /PORT = 4321;/);
    assert.match(sketch, /DEVICE_ID "balcony-2"/);
    assert.match(sketch, /DEVICE_KEY[ =]+"s3cret"/);
    assert.doesNotMatch(sketch, /kitchen|boiler|greenhouse|"the key"/);
  });
}

test("the ESP32's sketch is the ESP8266's with its own library", () => {
  const sketch = forEsp32(example("esp8266/esp8266.ino"));
  assert.match(sketch, /#include <WiFi\.h>/);
  assert.doesNotMatch(sketch, /ESP8266WiFi/);
});

test("the small protocols have URLs filled in", () => {
  assert.equal(
    iotcommunicate(place, device)[0].text,
    "ws://192.168.7.9:8080/ws?device=balcony-2&key=s3cret&side=device",
  );
  assert.match(
    things(place, device)[0].text,
    /http:\/\/192\.168\.7\.9:8080\/things\/post\/balcony-2\?key=s3cret&s0=1\.5/,
  );
  assert.match(firstLine(place, "balcony-2"), /-h 192\.168\.7\.9 -p 1884 -u balcony-2 -P KEY/);
});

test("filters of programs catch channels of several levels", () => {
  assert.doesNotMatch(JSON.stringify(programs(place, "garden")), /garden\/\+/);
});
