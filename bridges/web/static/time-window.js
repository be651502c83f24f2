// The stretch of time that charts show: a preset that follows the present, or two moments, with a
// way back.

const HOUR = 3_600_000,
  DAY = 86_400_000;

/** Presets in ms by name; "all" begins with the first value. @type {Record<string, number>} */
export const RANGES = {
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": DAY,
  "7d": 7 * DAY,
  "30d": 30 * DAY,
  "1y": 365 * DAY,
};
const LEAST = 10_000,
  MOST = 50 * 365 * DAY; // ms
const BACK = 50; // steps that can be taken back

/** @typedef {{from: number, to: number, live: boolean, range: string}} State */

export class TimeWindow {
  /** @type {State[]} */
  #before = [];
  /** @type {State} */
  #state;

  /** @param {string} [query] of the page's address @param {number} [now] */
  constructor(query = "", now = Date.now()) {
    const asked = new URLSearchParams(query);
    const from = Number(asked.get("from")),
      to = Number(asked.get("to")),
      range = asked.get("range") ?? "";
    this.#state =
      from > 0 && to > from
        ? { from, to, live: false, range: "" }
        : this.#preset(Object.hasOwn(RANGES, range) ? range : "6h", now);
  }

  get from() {
    return this.#state.from;
  }
  get to() {
    return this.#state.to;
  }
  get live() {
    return this.#state.live;
  }
  get range() {
    return this.#state.range;
  }
  get span() {
    return this.to - this.from;
  }

  /** @param {string} range @param {number} now @returns {State} */
  #preset(range, now) {
    return { from: now - RANGES[range], to: now, live: true, range };
  }

  /** @param {State} state */
  #go(state) {
    this.#before.push(this.#state);
    if (this.#before.length > BACK) this.#before.shift();
    this.#state = state;
  }

  /** @param {string} range */
  choose(range, now = Date.now()) {
    this.#go(this.#preset(range, now));
  }

  /**
   * Shows these moments; it no longer follows.
   * @param {number} from
   * @param {number} to
   * @param {string} [range]
   */
  select(from, to, range = "") {
    const span = Math.min(MOST, Math.max(LEAST, to - from)),
      middle = (from + to) / 2;
    this.#go({
      from: Math.round(middle - span / 2),
      to: Math.round(middle + span / 2),
      live: false,
      range,
    });
  }

  /**
   * Zooms around a moment: a factor below 1 shows less.
   * @param {number} at
   * @param {number} factor
   */
  zoom(at, factor, now = Date.now()) {
    this.advance(now);
    const anchor = Math.min(this.to, Math.max(this.from, at)),
      span = Math.min(MOST, Math.max(LEAST, this.span * factor)),
      share = (anchor - this.from) / this.span;
    this.select(anchor - span * share, anchor + span * (1 - share));
  }

  /** @param {number} ms to the right, or below 0 to the left */
  pan(ms) {
    this.select(this.from + ms, this.to + ms);
  }

  /** Follows the present with the span that is shown. */
  follow(now = Date.now()) {
    this.#go({ from: now - this.span, to: now, live: true, range: this.range });
  }

  /** Moves with the present if it follows. */
  advance(now = Date.now()) {
    if (this.live) this.#state = { ...this.#state, from: now - this.span, to: now };
  }

  back() {
    this.#state = this.#before.pop() ?? this.#state;
    this.advance();
  }

  /** For the page's address. @returns {Record<string, string>} */
  get query() {
    return this.live && this.range
      ? { range: this.range }
      : { from: String(this.from), to: String(this.to) };
  }
}
