// Columns for charts: from /series, or from buckets of /history where a gateway has no /series.

const SECOND = 1000,
  MINUTE = 60_000,
  HOUR = 3_600_000,
  DAY = 86_400_000;
const CLOCK = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  DAY,
  7 * DAY,
];
const NAMES = /** @type {[string, number][]} */ ([
  ["d", DAY],
  ["h", HOUR],
  ["m", MINUTE],
  ["s", SECOND],
]);

/**
 * @typedef {{t: number[], min: (number | null)[], avg: (number | null)[], max: (number | null)[],
 * count: number[]}} Columns t in ms
 */

/**
 * The least step of a clock that gives at most that many points.
 * @param {number} span ms
 * @param {number} points
 */
export const stepFor = (span, points) => CLOCK.find((step) => span / step <= points) ?? 7 * DAY;

/** A step as the API writes it: "5m". @param {number} step */
export function stepName(step) {
  const [unit, size] = /** @type {[string, number]} */ (
    NAMES.find(([, each]) => step % each === 0)
  );
  return `${step / size}${unit}`;
}

/** @type {boolean | null} */
let hasSeries = null;

/**
 * @param {(path: string) => Promise<any>} ask
 * @param {{device: string, channel: string, from: number, to: number, points: number}} wanted
 * @returns {Promise<Columns>}
 */
export async function readSeries(ask, wanted) {
  if (hasSeries !== false) {
    try {
      const found = columnsOf(await ask(seriesPath(wanted)));
      hasSeries = true;
      return found;
    } catch (error) {
      if (hasSeries || /** @type {any} */ (error).status !== 404) throw error;
      hasSeries = false;
    }
  }
  return columnsOfBuckets((await ask(historyPath(wanted))).buckets);
}

/** @param {{device: string, channel: string, from: number, to: number, points: number}} wanted */
function seriesPath({ device, channel, from, to, points }) {
  const start = String(Math.max(0, Math.floor(from))),
    end = String(Math.ceil(to));
  return `/series?${new URLSearchParams({ device, channel, start, end, points: String(points) })}`;
}

/** @param {{device: string, channel: string, from: number, to: number, points: number}} wanted */
function historyPath({ device, channel, from, to, points }) {
  const step = stepFor(to - from, points),
    start = Math.max(0, Math.floor(from / step) * step);
  const asked = {
    device,
    channel,
    start: String(start),
    end: String(Math.ceil(to)),
    every: stepName(step),
    fn: "min,avg,max,count",
    limit: "10000",
  };
  return `/history?${new URLSearchParams(asked)}`;
}

/**
 * What /series answers for one channel: buckets, or each value where there are few.
 * @param {any} answer
 * @returns {Columns}
 */
export function columnsOf({ t, series }) {
  const [{ t: own, value, min, avg, max, count }] =
    series.length > 0 ? series : [{ t: [], value: [] }];
  if (value)
    return compact(
      own,
      value.map(numeric),
      value.map(numeric),
      value.map(numeric),
      value.map(() => 1),
    );
  return compact(t, min ?? [], avg ?? [], max ?? [], count ?? []);
}

/**
 * @param {{ts: number, min: number, avg: number, max: number, count: number}[]} buckets
 * @returns {Columns}
 */
export function columnsOfBuckets(buckets) {
  const column = (/** @type {"min" | "avg" | "max" | "count"} */ name) =>
    buckets.map((bucket) => bucket[name]);
  return compact(
    buckets.map(({ ts }) => ts),
    column("min"),
    column("avg"),
    column("max"),
    column("count"),
  );
}

/** @param {Value} value */
const numeric = (value) =>
  typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;

/**
 * Without the empty buckets; the gaps come back where there are true ones.
 * @param {number[]} t
 * @param {(number | null)[]} min
 * @param {(number | null)[]} avg
 * @param {(number | null)[]} max
 * @param {number[]} count
 * @returns {Columns}
 */
function compact(t, min, avg, max, count) {
  const kept = t.map((_, place) => place).filter((place) => typeof avg[place] === "number");
  const pick = (/** @type {any[]} */ column) => kept.map((place) => column[place]);
  return withGaps({
    t: pick(t),
    min: pick(min),
    avg: pick(avg),
    max: pick(max),
    count: pick(count),
  });
}

/**
 * Puts a null where three times the usual step passed without a value: there the line breaks.
 * @param {Columns} columns
 * @returns {Columns}
 */
export function withGaps({ t, min, avg, max, count }) {
  const steps = t
    .slice(1)
    .map((time, place) => time - t[place])
    .sort((a, b) => a - b);
  const longest = 3 * (steps[steps.length >> 1] ?? Infinity);
  /** @type {Columns} */
  const out = { t: [], min: [], avg: [], max: [], count: [] };
  t.forEach((time, place) => {
    if (place > 0 && time - t[place - 1] > longest) add(out, t[place - 1] + 1, null, null, null, 0);
    add(out, time, min[place], avg[place], max[place], count[place]);
  });
  return out;
}

/**
 * @param {Columns} to
 * @param {number} t
 * @param {number | null} min
 * @param {number | null} avg
 * @param {number | null} max
 * @param {number} count
 */
function add(to, t, min, avg, max, count) {
  to.t.push(t);
  to.min.push(min);
  to.avg.push(avg);
  to.max.push(max);
  to.count.push(count);
}

/**
 * Puts a value at the end as it comes.
 * @param {Columns} to
 * @param {number} t
 * @param {number} value
 */
export function append(to, t, value) {
  if (to.t.length === 0 || t > /** @type {number} */ (to.t.at(-1)))
    add(to, t, value, value, value, 1);
}

/** The figures of the legend. @param {Columns} columns @param {number} from @param {number} to */
export function figures({ t, min, avg, max, count }, from, to) {
  let least = Infinity,
    most = -Infinity,
    sum = 0,
    n = 0,
    last = null;
  t.forEach((time, place) => {
    const mean = avg[place];
    if (time < from || time > to || mean === null) return;
    least = Math.min(least, min[place] ?? mean);
    most = Math.max(most, max[place] ?? mean);
    sum += mean * count[place];
    n += count[place];
    last = mean;
  });
  return n === 0 ? null : { last: Number(last), min: least, avg: sum / n, max: most, count: n };
}
