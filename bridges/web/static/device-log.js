// What happened to a device, in one time-ordered story: came, went, was told, answered.

import { make } from "./dom.js";
import { t } from "./text.js";
import { exactly, shown, when } from "./words.js";

const KEPT = 60; // lines

/**
 * Whether a frame is a line of the story: of a command its beginning and its end.
 * @param {Frame} frame
 */
export const isTold = ({ type, state }) =>
  type === "presence" ||
  type === "reply" ||
  (type === "command" && state !== "sent" && state !== "replied");

/** What a frame says in words. @param {Frame} frame */
export function story({ type, channel, value, state, reason, error }) {
  if (type === "presence") {
    const why = reason ? reasonText(reason) : "";
    const is = t(value === "online" ? "presence.online" : "presence.offline");
    return why ? `${is} · ${why}` : is;
  }
  if (type === "reply") return t("log.reply", { name: channel, value: shown(value) });
  return t(`log.${state}`, { name: channel, value: shown(value), error: error ?? "" });
}

/** @param {string} reason */
function reasonText(reason) {
  const text = t(`reason.${reason}`);
  return text === `reason.${reason}` ? reason.replaceAll("_", " ") : text;
}

/**
 * When the device was away, from its frames of presence.
 * @param {Frame[]} frames
 * @param {number} now
 * @returns {{from: number, to: number}[]}
 */
export function awaySpans(frames, now) {
  const told = frames.filter((frame) => frame.type === "presence").sort((a, b) => a.seq - b.seq);
  return told.flatMap(({ value, ts }, place) =>
    value === "offline" ? [{ from: ts, to: told[place + 1]?.ts ?? now }] : [],
  );
}

export class DeviceLog {
  /** @type {Frame[]} newest first */
  #frames = [];
  #place;

  /** @param {HTMLElement} place a list */
  constructor(place) {
    this.#place = place;
  }

  get frames() {
    return this.#frames;
  }

  /** @param {Frame[]} frames */
  fill(frames) {
    const known = new Set(this.#frames.map((frame) => frame.seq));
    this.#frames = [...this.#frames, ...frames.filter((frame) => !known.has(frame.seq))].sort(
      (a, b) => b.seq - a.seq,
    );
    this.#show();
  }

  /** @param {Frame} frame */
  take(frame) {
    if (!isTold(frame) || this.#frames.some(({ seq }) => seq === frame.seq)) return;
    this.#frames.unshift(frame);
    this.#show();
  }

  #show() {
    this.#frames.length = Math.min(this.#frames.length, 4 * KEPT);
    const lines = this.#frames.filter(isTold).slice(0, KEPT);
    this.#place.replaceChildren(
      ...lines.map((frame) => {
        const kind = frame.type === "presence" ? String(frame.value) : (frame.state ?? frame.type);
        const line = make(
          "li",
          {},
          make("span", { className: "dot" }),
          make("span", {}, story(frame)),
          make(
            "time",
            {
              className: "muted",
              title: exactly(frame.ts),
              dateTime: new Date(frame.ts).toISOString(),
            },
            when(frame.ts),
          ),
        );
        line.dataset.kind = kind;
        return line;
      }),
    );
  }
}
