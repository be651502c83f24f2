// One channel over time: its mean as a line, all it reached as a band, its bounds, and where the
// device was away.

import { make } from "./dom.js";
import { gestures } from "./gestures.js";
import { HEIGHT, plotIn } from "./plot.js";
import { figures } from "./series.js";
import { t } from "./text.js";
import { exactly, number, when } from "./words.js";

const COLOURS = [
  "--chart-1",
  "--chart-2",
  "--chart-3",
  "--chart-4",
  "--chart-5",
  "--chart-6",
  "--chart-7",
];
const ROWS = 200; // of the table

/** @typedef {import("./series.js").Columns} Columns */
/** @typedef {import("./time-window.js").TimeWindow} TimeWindow */
/** @typedef {{from: number, to: number}} Span */
/** @typedef {{moved: () => void, sync: any, latest: () => number | undefined}} Hooks */

export class Chart {
  /** @type {Columns} */
  #columns = { t: [], min: [], avg: [], max: [], count: [] };
  /** @type {any} */
  #plot = null;
  /** @type {Span[]} when the device was away */
  #away = [];
  /** @type {Record<string, any>} */
  #parts;
  #window;
  #hooks;
  #colour;
  #tabled = false;

  /**
   * @param {string} device
   * @param {string} channel
   * @param {ChannelAbout | undefined} about
   * @param {number} place its colour
   * @param {TimeWindow} window @param {Hooks} hooks
   */
  constructor(device, channel, about, place, window, hooks) {
    this.device = device;
    this.channel = channel;
    this.about = about;
    this.#colour = COLOURS[place % COLOURS.length];
    this.#window = window;
    this.#hooks = hooks;
    this.#parts = this.#build();
  }

  get element() {
    return this.#parts.figure;
  }
  get columns() {
    return this.#columns;
  }

  /** @param {Columns} columns */
  fill(columns) {
    this.#columns = columns;
    this.draw();
  }

  /** @param {Span[]} spans */
  away(spans) {
    this.#away = spans;
    this.#plot?.redraw(false);
  }

  /** Draws what the window shows. */
  draw() {
    const { from, to } = this.#window;
    if (!this.#plot) this.#plot = this.#make();
    const { t: times, min, max, avg } = this.#columns;
    this.#plot.setData([times.map((ms) => ms / 1000), min, max, avg], false);
    this.#plot.setScale("x", { min: from / 1000, max: to / 1000 });
    this.#describe();
    if (this.#tabled) this.#table();
  }

  /** Takes the colours of the page anew. */
  recolour() {
    this.#plot?.destroy();
    this.#plot = null;
    this.draw();
  }

  resize() {
    const width = this.#parts.canvas.clientWidth;
    if (width > 0) this.#plot?.setSize({ width, height: HEIGHT });
  }

  #make() {
    const plot = plotIn(this.#parts.canvas, {
      colour: this.#colour,
      sync: this.#hooks.sync.key,
      bounds: () => [this.about?.min, this.about?.max],
      away: () => this.#away,
      selected: () => this.#selected(),
      pointed: () => this.#pointed(),
      back: () => {
        this.#window.back();
        this.#hooks.moved();
      },
    });
    gestures(plot, this.#window, this.#hooks.moved);
    return plot;
  }

  /** A stretch was marked: it becomes the window. */
  #selected() {
    const { left, width } = this.#plot.select;
    if (width < 4) return;
    const [from, to] = [left, left + width].map((x) => this.#plot.posToVal(x, "x") * 1000);
    this.#plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.#window.select(from, to);
    this.#hooks.moved();
  }

  /** What stands at the pointer. */
  #pointed() {
    const place = this.#plot.cursor.idx,
      { t: times, min, max, avg } = this.#columns;
    const value = place === null || place === undefined ? null : avg[place];
    if (value === null || value === undefined) return this.#parts.cursor.replaceChildren();
    const spread =
      min[place] === max[place]
        ? ""
        : t("chart.between", { min: this.#shown(min[place]), max: this.#shown(max[place]) });
    return this.#parts.cursor.replaceChildren(
      make("strong", {}, this.#shown(value)),
      `${spread} · ${exactly(times[place])}`,
    );
  }

  /** @param {number | null} value */
  #shown(value) {
    if (value === null) return "";
    const { digits, unit } = this.about ?? {};
    return `${number(rounded(value), digits)}${unit ? ` ${unit}` : ""}`;
  }

  #describe() {
    const found = figures(this.#columns, this.#window.from, this.#window.to);
    if (found && this.#window.live) found.last = this.#hooks.latest() ?? found.last;
    const told =
      found &&
      /** @type {const} */ (["last", "min", "avg", "max"]).map((name) => [
        t(`chart.${name}`),
        this.#shown(found[name]),
      ]);
    this.#parts.figures.replaceChildren(
      ...(told ?? []).map(([name, value]) =>
        make("div", {}, make("dt", {}, name), make("dd", {}, value)),
      ),
    );
    this.#parts.none.hidden = found !== null;
    const span = t("chart.span", { from: when(this.#window.from), to: when(this.#window.to) });
    this.#parts.canvas.setAttribute(
      "aria-label",
      `${this.channel}, ${span}. ${(told ?? []).map((each) => each.join(" ")).join(", ")}`,
    );
    for (const link of this.#parts.files) link.href = this.#file(link.dataset.format);
  }

  /** @param {string} format */
  #file(format) {
    const { from, to } = this.#window;
    const { device, channel } = this;
    const asked = {
      device,
      channel,
      start: String(Math.floor(from)),
      end: String(Math.ceil(to) + 1),
    };
    return `/api/v1/history?${new URLSearchParams({ ...asked, format })}`;
  }

  #table() {
    const { t: times, min, avg, max } = this.#columns,
      { from, to } = this.#window;
    const rows = times
      .map((_, place) => place)
      .filter((place) => avg[place] !== null && times[place] >= from && times[place] <= to)
      .slice(-ROWS)
      .reverse();
    this.#parts.rows.replaceChildren(
      ...rows.map((place) =>
        make(
          "tr",
          {},
          make("td", {}, exactly(times[place])),
          ...[min, avg, max].map((column) =>
            make("td", { className: "number" }, this.#shown(column[place])),
          ),
        ),
      ),
    );
  }

  /** @param {HTMLElement} button */
  #toggleTable(button) {
    this.#tabled = !this.#tabled;
    button.setAttribute("aria-pressed", String(this.#tabled));
    this.#parts.table.hidden = !this.#tabled;
    if (this.#tabled) this.#table();
  }

  #save() {
    const { canvas } = this.#plot.ctx,
      copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d"));
    context.fillStyle = getComputedStyle(this.element).backgroundColor;
    context.fillRect(0, 0, copy.width, copy.height);
    context.drawImage(canvas, 0, 0);
    make("a", {
      href: copy.toDataURL(),
      download: `${this.device} ${this.channel}.png`.replaceAll("/", "-"),
    }).click();
  }

  /** Arrows move the cursor, + and - zoom, Escape goes back. @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key],
      factor = { "+": 0.5, "-": 2 }[event.key];
    if (!step && !factor && event.key !== "Escape") return;
    event.preventDefault();
    const times = this.#columns.t,
      place = Math.min(
        times.length - 1,
        Math.max(0, (this.#plot.cursor.idx ?? times.length) + (step ?? 0)),
      );
    if (step && times.length > 0)
      return void this.#plot.setCursor({
        left: this.#plot.valToPos(times[place] / 1000, "x"),
        top: 10,
      });
    if (factor) this.#window.zoom(this.#plot.cursor.idx ? times[place] : Infinity, factor);
    else this.#window.back();
    this.#hooks.moved();
  }

  #build() {
    const canvas = make("div", { className: "plot", tabIndex: 0, role: "group" });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    const name = make(
      "h3",
      {},
      this.about?.name ?? this.channel,
      ...(this.about?.unit ? [make("small", {}, this.about.unit)] : []),
    );
    const cursor = make("p", { className: "cursor" }),
      list = make("dl", { className: "figures" });
    const none = make("p", { className: "none muted" }, t("chart.none"));
    const files = ["csv", "ndjson"].map((format) =>
      make(
        "a",
        { "data-format": format, download: "", className: "button quiet" },
        format.toUpperCase(),
      ),
    );
    const table = make(
      "button",
      { type: "button", className: "quiet", "aria-pressed": "false" },
      t("chart.table"),
    );
    const png = make(
      "button",
      { type: "button", className: "quiet", onclick: () => this.#save() },
      "PNG",
    );
    const rows = make("tbody");
    const heads = ["audit.when", "chart.min", "chart.avg", "chart.max"].map((key, place) =>
      make("th", { scope: "col", className: place ? "number" : "" }, t(key)),
    );
    const sheet = make(
      "div",
      {
        className: "scroll values",
        hidden: true,
        tabIndex: 0,
        role: "region",
        ariaLabel: `${this.channel}: ${t("chart.table")}`,
      },
      make("table", {}, make("thead", {}, make("tr", {}, ...heads)), rows),
    );
    table.addEventListener("click", () => this.#toggleTable(table));
    const figure = make(
      "section",
      { className: "chart", ariaLabel: this.channel },
      make("header", {}, name, cursor),
      make("div", { className: "stage" }, canvas, none),
      make("footer", {}, list, make("div", { className: "files" }, table, ...files, png)),
      sheet,
    );
    figure.style.setProperty("--own", `var(${this.#colour})`);
    new ResizeObserver(() => this.resize()).observe(canvas);
    return { figure, canvas, cursor, figures: list, none, files, table: sheet, rows };
  }
}

/** Means have more digits than anybody sent. @param {number} value */
const rounded = (value) => (Number.isInteger(value) ? value : Number(value.toPrecision(6)));
