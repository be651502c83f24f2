// The last hour of a channel in a few pixels: an average a minute, and the line through them.

import { draw } from "./dom.js";

const MINUTE = 60_000;
const MINUTES = 60;
export const WIDTH = 60,
  HEIGHT = 20;

export class Sparkline {
  /** @type {Map<number, {sum: number, count: number}>} */
  #minutes = new Map(); // by minute since 1970

  /**
   * Takes what history holds; it replaces what was there for those minutes.
   * @param {{ts: number, avg: number | null, count: number}[]} buckets
   */
  fill(buckets) {
    for (const { ts, avg, count } of buckets) {
      if (typeof avg === "number")
        this.#minutes.set(Math.floor(ts / MINUTE), { sum: avg * count, count });
    }
  }

  /** @param {number} ts @param {number} value */
  add(ts, value) {
    const minute = Math.floor(ts / MINUTE);
    const there = this.#minutes.get(minute) ?? { sum: 0, count: 0 };
    this.#minutes.set(minute, { sum: there.sum + value, count: there.count + 1 });
  }

  /**
   * `[minute, average]` of the last hour, in order; older ones are forgotten.
   * @param {number} now
   * @returns {[number, number][]}
   */
  points(now) {
    const first = Math.floor(now / MINUTE) - MINUTES;
    for (const minute of this.#minutes.keys()) if (minute <= first) this.#minutes.delete(minute);
    return [...this.#minutes]
      .map(
        ([minute, { sum, count }]) =>
          /** @type {[number, number]} */ ([minute - first, sum / count]),
      )
      .filter(([x]) => x <= MINUTES)
      .sort((a, b) => a[0] - b[0]);
  }
}

/**
 * The line within WIDTH x HEIGHT, and the area below it. Where values are missing both have a gap.
 * @param {[number, number][]} points x from 1 to WIDTH, in order
 */
export function pathsOf(points) {
  const values = points.map(([, value]) => value);
  const low = Math.min(...values),
    range = Math.max(...values) - low;
  const y = (/** @type {number} */ value) =>
    (range > 0 ? HEIGHT - ((value - low) / range) * HEIGHT : HEIGHT / 2).toFixed(2);
  const parts = inParts(points).map((part) => part.map(([x, value]) => `${x} ${y(value)}`));
  return {
    line: parts
      .map(
        (part) =>
          `M${part[0]}h0${part
            .slice(1)
            .map((point) => `L${point}`)
            .join("")}`,
      )
      .join(""),
    area: parts
      .filter((part) => part.length > 1)
      .map((part) => `M${part.join("L")}V${HEIGHT + 4}H${part[0].split(" ")[0]}Z`)
      .join(""),
  };
}

/** The runs without a gap. @param {[number, number][]} points */
function inParts(points) {
  const longest = longestStep(points);
  /** @type {[number, number][][]} */
  const parts = [];
  points.forEach((point, place) => {
    if (place > 0 && point[0] - points[place - 1][0] <= longest)
      /** @type {any} */ (parts.at(-1)).push(point);
    else parts.push([point]);
  });
  return parts;
}

/**
 * Three times the usual step counts as a gap; boards that report every few minutes have none.
 * @param {[number, number][]} points
 */
function longestStep(points) {
  const steps = points
    .slice(1)
    .map(([x], place) => x - points[place][0])
    .sort((a, b) => a - b);
  return Math.max(2, 3 * (steps[steps.length >> 1] ?? 1));
}

/** An empty drawing, and what brings it up to date. */
export function drawing() {
  const area = draw("path", { class: "area" }),
    line = draw("path", { class: "line" });
  const element = draw(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    area,
    line,
  );
  const show = (/** @type {Sparkline} */ data, /** @type {number} */ now) => {
    const paths = pathsOf(data.points(now));
    line.setAttribute("d", paths.line);
    area.setAttribute("d", paths.area);
  };
  return { element, show };
}
