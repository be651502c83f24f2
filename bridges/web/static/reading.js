// One channel of a device as a tile: its value large, its last hour, how old it is. It shows and
// hides its chart.

import { make, write } from "./dom.js";
import { outOfRange } from "./channel.js";
import { newer } from "./latest.js";
import { Sparkline, drawing } from "./sparkline.js";
import { t } from "./text.js";
import { ago, exactly, shown, whole } from "./words.js";

export class Reading {
  /** @type {Frame | null} */
  frame = null;
  spark = new Sparkline();
  wasRead = false;
  /** @type {Frame | null} */
  #drawn = null;
  /** @type {Record<string, any>} */
  #parts;

  /**
   * @param {string} name
   * @param {ChannelAbout | undefined} about
   * @param {(name: string) => void} toggle
   */
  constructor(name, about, toggle) {
    this.name = name;
    this.about = about;
    this.#parts = this.#build(toggle);
  }

  get element() {
    return this.#parts.tile;
  }
  get isNumeric() {
    return ["number", "bigint", "boolean"].includes(typeof this.frame?.value);
  }

  /** @param {Frame} frame @param {boolean} isNew */
  take(frame, isNew) {
    if (!newer(frame, this.frame)) return;
    this.frame = frame;
    if (typeof frame.value === "number" && isNew) this.spark.add(frame.ts, frame.value);
  }

  /** @param {boolean} charted */
  mark(charted) {
    this.#parts.button.setAttribute("aria-pressed", String(charted));
  }

  /** @param {number} now */
  render(now) {
    if (this.frame === null) return;
    const { age, graph } = this.#parts;
    if (this.frame !== this.#drawn) this.#show(this.frame);
    write(age, ago(this.frame.ts, now) || t("reading.now"));
    age.title = exactly(this.frame.ts);
    graph.element.style.display = typeof this.frame.value === "number" ? "" : "none";
    graph.show(this.spark, now);
  }

  /** What changes with the value alone. @param {Frame} frame */
  #show(frame) {
    const { value, unit, tile, text, button } = this.#parts,
      is = frame.value,
      isText = !this.isNumeric;
    this.#drawn = frame;
    write(isText ? text : value, isText ? whole(is) : shown(is, this.about));
    write(unit, this.about?.unit ?? "");
    value.hidden = isText;
    text.hidden = !isText;
    button.disabled = isText;
    value.title = isText ? "" : whole(is);
    tile.dataset.range = outOfRange(is, this.about) ? "out" : "";
    tile.dataset.kind = isText ? "text" : "number";
  }

  /** @param {(name: string) => void} toggle */
  #build(toggle) {
    const [value, unit, age] = ["value", "unit", "age"].map((className) =>
      make("span", { className }),
    );
    const graph = drawing(),
      text = make("pre", { className: "text", hidden: true, tabIndex: 0 });
    const button = make(
      "button",
      { type: "button", className: "name", "aria-pressed": "false", title: this.name },
      this.about?.name ?? this.name,
    );
    button.addEventListener("click", () => toggle(this.name));
    const tile = make(
      "li",
      { className: "reading" },
      button,
      make("p", { className: "now" }, value, unit),
      text,
      graph.element,
      age,
    );
    return { tile, button, value, unit, age, text, graph };
  }
}
