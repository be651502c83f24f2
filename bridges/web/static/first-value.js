// "Waiting for the first value", which turns green by itself; and when nothing comes, why.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { Live, wake } from "./live.js";
import { t } from "./text.js";
import { shown } from "./words.js";

const LOOK_EVERY = 5_000; // ms between looks at what was rejected

export class FirstValue {
  #place;
  #id = "";
  #since = Date.now();
  /** @type {Live | null} */
  #live = null;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
    setInterval(() => this.#look(), LOOK_EVERY);
  }

  /** Waits for a value of this device. @param {string} id */
  watch(id) {
    this.#id = id;
    this.#since = Date.now();
    this.#say("waiting", t("first.waiting", { id }));
    if (this.#live === null) this.#live = this.#listen();
  }

  #listen() {
    const live = new Live("#", {
      frame: (frame, isNew) => {
        if (isNew) this.#take(frame);
      },
      state: () => {},
      restart: () => {},
      beforeRetry: () => ask("GET", "/me").catch(() => {}),
    });
    wake(live);
    live.connect();
    return live;
  }

  /** @param {Frame} frame */
  #take({ type, device, channel, value }) {
    if (device !== this.#id) return;
    if (type === "presence" && value === "online" && this.#place.dataset.state !== "there") {
      this.#say("connected", t("first.connected", { id: device }));
    }
    if (type !== "telemetry") return;
    this.#say(
      "there",
      t("first.there", { channel, value: shown(value) }),
      make("a", { href: `/devices/${encodeURIComponent(device)}` }, t("first.open")),
    );
  }

  /** What it sent and nobody could translate. */
  async #look() {
    if (!this.#id || document.hidden || this.#place.dataset.state === "there") return;
    const { rejected } = await ask("GET", "/rejected?limit=20").catch(() => ({ rejected: [] }));
    const mine = rejected.find(
      (/** @type {any} */ each) => each.device === this.#id && each.at >= this.#since,
    );
    if (mine)
      this.#say(
        "rejected",
        t("first.rejected", { reason: mine.reason }),
        make("a", { href: "/rejected" }, t("first.see")),
      );
  }

  /** @param {string} state @param {string} text @param {...Node} more */
  #say(state, text, ...more) {
    this.#place.dataset.state = state;
    this.#place.replaceChildren(
      make("span", { className: "dot" }),
      make("span", {}, text),
      ...more,
    );
  }
}
