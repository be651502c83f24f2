// What /metrics says, in Prometheus' text form.

/** @typedef {{name: string, help: string, kind: string, value: number}} Metric */

/** Reads the metrics that have no labels. @param {string} text @returns {Metric[]} */
export function metricsOf(text) {
  /** @type {Map<string, string>} */
  const helps = new Map(),
    kinds = new Map();
  /** @type {Metric[]} */
  const found = [];
  for (const line of text.split("\n")) {
    const told = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
    if (told) (told[1] === "HELP" ? helps : kinds).set(told[2], told[3]);
    const sample = /^([a-zA-Z_:][\w:]*) (\S+)$/.exec(line);
    if (sample)
      found.push({
        name: sample[1],
        help: helps.get(sample[1]) ?? "",
        kind: kinds.get(sample[1]) ?? "",
        value: Number(sample[2]),
      });
  }
  return found;
}

/**
 * How much a counter grew in a second between two readings.
 * @param {number} before
 * @param {number} now
 * @param {number} ms
 */
export const rate = (before, now, ms) => (ms > 0 ? Math.max(0, now - before) / (ms / 1000) : 0);
