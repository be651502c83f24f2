// The charts of a device: one below the other, with one window of time and one cursor.

import { ask } from "./api.js";
import { Chart } from "./chart.js";
import { make } from "./dom.js";
import { append, readSeries } from "./series.js";
import { t } from "./text.js";
import { RANGES, TimeWindow } from "./time-window.js";
import uPlot from "./uplot.js";
import { byName } from "./words.js";

const SOON = 180; // ms after the last movement until history is asked
const FRESH = 30_000; // ms between readings while it follows

export class Charts {
  /** @type {Map<string, Chart>} */
  #charts = new Map();
  /** @type {Map<string, number>} */
  #latest = new Map();
  #window = new TimeWindow(location.search);
  #sync = uPlot.sync("time");
  /** @type {any} */
  #soon = null;
  #drawing = 0;
  #device;
  #place;
  /** @type {import("./chart.js").Span[]} */
  #away = [];
  /** @type {(channel: string) => ChannelAbout | undefined} */
  #about;
  /** Called when the window or the channels have changed. */
  changed = () => {};

  /**
   * @param {string} device
   * @param {HTMLElement} place
   * @param {HTMLElement} ranges
   * @param {(channel: string) => ChannelAbout | undefined} about
   */
  constructor(device, place, ranges, about) {
    this.#device = device;
    this.#place = place;
    this.#about = about;
    this.#buttons(ranges);
    setInterval(() => this.#tick(), 1000);
    setInterval(() => {
      if (this.#window.live && !document.hidden) this.#read();
    }, FRESH);
    addEventListener("themechange", () => this.#recolour());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour());
  }

  get channels() {
    return [...this.#charts.keys()];
  }
  get window() {
    return this.#window;
  }

  /** @param {string} channel */
  has(channel) {
    return this.#charts.has(channel);
  }

  /** @param {string} channel */
  toggle(channel) {
    const there = this.#charts.get(channel);
    if (there) {
      there.element.remove();
      this.#charts.delete(channel);
    } else this.show(channel);
    this.#remember();
  }

  /** @param {string} channel */
  show(channel) {
    const chart = new Chart(
      this.#device,
      channel,
      this.#about(channel),
      this.#charts.size,
      this.#window,
      { moved: () => this.#moved(), sync: this.#sync, latest: () => this.#latest.get(channel) },
    );
    this.#charts.set(channel, chart);
    const [after] = this.channels.filter((each) => byName(each, channel) > 0).sort(byName);
    this.#place.insertBefore(chart.element, this.#charts.get(after)?.element ?? null);
    chart.away(this.#away);
    this.#readOne(chart);
  }

  /** @param {import("./chart.js").Span[]} spans when the device was away */
  away(spans) {
    this.#away = spans;
    for (const chart of this.#charts.values()) chart.away(spans);
  }

  /** @param {Frame} frame @param {boolean} isNew */
  take({ channel, ts, value }, isNew) {
    const number = typeof value === "boolean" ? Number(value) : value;
    if (typeof number !== "number") return;
    this.#latest.set(channel, number);
    const chart = this.#charts.get(channel);
    if (chart && isNew) append(chart.columns, ts, number);
  }

  /** Reads everything anew: something was missed. */
  again() {
    this.#read();
  }

  #tick() {
    if (!this.#window.live || document.hidden) return;
    this.#window.advance();
    this.#draw();
  }

  /** The window has moved: what is there is drawn at once, the rest is read soon. */
  #moved() {
    if (this.#drawing === 0)
      this.#drawing = requestAnimationFrame(() => {
        this.#drawing = 0;
        this.#draw();
      });
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.#read(), SOON);
    this.#remember();
  }

  #draw() {
    for (const chart of this.#charts.values()) chart.draw();
  }

  #recolour() {
    for (const chart of this.#charts.values()) chart.recolour();
  }

  #read() {
    for (const chart of this.#charts.values()) this.#readOne(chart);
  }

  /** @param {Chart} chart */
  async #readOne(chart) {
    const { from, to, span } = this.#window;
    const points = Math.max(200, Math.min(1600, this.#place.clientWidth));
    try {
      // a third more on both sides, so that a short pan finds something
      const wanted = {
        device: chart.device,
        channel: chart.channel,
        from: from - span / 3,
        to: Math.min(to + span / 3, Date.now() + span),
        points,
      };
      chart.fill(await readSeries((path) => ask("GET", path), wanted));
    } catch {
      chart.draw(); // the connection's own state is shown already
    }
  }

  #remember() {
    const query = new URLSearchParams(this.#window.query);
    for (const channel of this.channels) query.append("channel", channel);
    history.replaceState(null, "", `?${query}`);
    this.changed();
  }

  /** @param {HTMLElement} place */
  #buttons(place) {
    const all = make("button", { type: "button" }, t("chart.all")),
      live = make(
        "button",
        { type: "button", className: "live" },
        make("span", { className: "dot" }),
        t("link.live"),
      );
    const presets = Object.keys(RANGES).map((range) => {
      const button = make("button", { type: "button" }, t(`chart.range.${range}`));
      button.addEventListener("click", () => {
        this.#window.choose(range);
        this.#moved();
      });
      button.dataset.range = range;
      return button;
    });
    all.dataset.range = "all";
    all.addEventListener("click", () => this.#showAll());
    live.addEventListener("click", () => {
      this.#window.follow();
      this.#moved();
    });
    place.append(
      make(
        "div",
        { className: "ranges", role: "group", ariaLabel: t("chart.ranges") },
        ...presets,
        all,
      ),
      live,
    );
    const mark = () => {
      for (const button of [...presets, all])
        button.setAttribute("aria-pressed", String(button.dataset.range === this.#window.range));
      live.setAttribute("aria-pressed", String(this.#window.live));
    };
    this.changed = mark;
    mark();
  }

  /** From the first value of what is shown. */
  async #showAll() {
    const query = new URLSearchParams([
      ["device", this.#device],
      ["limit", "1"],
      ...this.channels.map((channel) => ["channel", channel]),
    ]);
    const { frames } = await ask("GET", `/history?${query}`).catch(() => ({ frames: [] }));
    if (frames.length === 0) return;
    this.#window.select(frames[0].ts, Date.now(), "all");
    this.#moved();
  }
}

export const wanted = () => new URLSearchParams(location.search).getAll("channel");
