// The last hour of a channel: an average a minute, and the line through them.

const MINUTE = 60_000;
const HOUR = 60;
export const WIDTH = 60, HEIGHT = 20;

export class Line {
  #minutes = new Map(); // minute since 1970 -> {sum, count}

  /** Takes what history holds: `[{ts, avg, count}]`; it replaces what was there for those minutes. */
  fill(buckets) {
    for (const { ts, avg, count } of buckets) {
      if (typeof avg === "number") this.#minutes.set(Math.floor(ts / MINUTE), { sum: avg * count, count });
    }
  }

  add(ts, value) {
    const minute = Math.floor(ts / MINUTE);
    const there = this.#minutes.get(minute);
    if (there) {
      there.sum += value;
      there.count += 1;
    } else {
      this.#minutes.set(minute, { sum: value, count: 1 });
    }
  }

  /** `[minute, average]` of the last hour, in order; older ones are forgotten. */
  points(now) {
    const first = Math.floor(now / MINUTE) - HOUR;
    for (const minute of this.#minutes.keys()) if (minute <= first) this.#minutes.delete(minute);
    return [...this.#minutes].map(([minute, { sum, count }]) => [minute - first, sum / count])
      .filter(([x]) => x <= HOUR).sort((a, b) => a[0] - b[0]);
  }

  /** The SVG path within WIDTH x HEIGHT. Where values are missing the line has a gap. */
  path(now) {
    return pathOf(this.points(now));
  }
}

/** `points`: [x, value] in order of x, x from 1 to WIDTH. */
export function pathOf(points) {
  const values = points.map(([, value]) => value);
  const low = Math.min(...values), range = Math.max(...values) - low;
  const longest = longestStep(points);
  let path = "", before = -Infinity;
  for (const [x, value] of points) {
    const y = range > 0 ? HEIGHT - ((value - low) / range) * HEIGHT : HEIGHT / 2;
    const alone = x - before > longest;
    path += `${alone ? "M" : "L"}${x} ${y.toFixed(2)}`;
    if (alone) path += "h0"; // a point with no neighbour is a dot
    before = x;
  }
  return path;
}

/** Three times the usual step between values counts as a gap; boards that report every few minutes have none. */
function longestStep(points) {
  const steps = points.slice(1).map(([x], i) => x - points[i][0]).sort((a, b) => a - b);
  return Math.max(2, 3 * (steps[steps.length >> 1] ?? 1));
}
