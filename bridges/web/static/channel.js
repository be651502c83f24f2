// One channel on a card: its name, the line of the last hour, its latest value and how old that is.

import { make, write } from "./dom.js";
import { newer } from "./latest.js";
import { Sparkline, drawing } from "./sparkline.js";
import { ago, exactly, shown, whole } from "./words.js";

export class Channel {
  /** @type {Frame | null} */
  frame = null;
  /** @type {Sparkline | null} once a number has come */
  spark = null;
  wasRead = false; // its last hour, from history
  /** @type {ChannelAbout | undefined} what the device says of it */
  about;
  /** @type {any} */
  #parts = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  get row() {
    return this.#parts.row;
  }

  /** @param {Frame} frame @param {boolean} isNew */
  take(frame, isNew) {
    if (!newer(frame, this.frame)) return;
    this.frame = frame;
    if (typeof frame.value !== "number") return;
    this.spark ??= new Sparkline();
    if (isNew) this.spark.add(frame.ts, frame.value);
  }

  /** @param {number} now */
  render(now) {
    const frame = /** @type {Frame} */ (this.frame);
    if (this.#parts?.numeric !== (this.spark !== null)) this.#build();
    const { name, value, unit, age, row, graph } = this.#parts;
    write(name, this.about?.name ?? this.name);
    write(value, shown(frame.value, this.about));
    write(unit, this.about?.unit ?? "");
    value.title = whole(frame.value);
    write(age, ago(frame.ts, now));
    row.title = `${this.name} · ${exactly(frame.ts)}`;
    row.dataset.range = outOfRange(frame.value, this.about) ? "out" : "";
    graph?.show(this.spark, now);
  }

  #build() {
    const numeric = this.spark !== null;
    const [value, unit, age] = ["value", "unit", "age"].map((className) =>
      make("span", { className }),
    );
    const name = make("dt", {}, this.name),
      graph = numeric ? drawing() : null;
    const row = make("div", { className: numeric ? "channel" : "channel plain" }, name);
    if (graph) row.append(make("dd", { className: "graph" }, graph.element));
    row.append(make("dd", {}, value, unit, age));
    this.#parts?.row.replaceWith(row);
    this.#parts = { numeric, row, name, value, unit, age, graph };
  }
}

/** @param {Value} value @param {ChannelAbout} [about] */
export function outOfRange(value, about) {
  return (
    typeof value === "number" &&
    about !== undefined &&
    (value < (about.min ?? -Infinity) || value > (about.max ?? Infinity))
  );
}
