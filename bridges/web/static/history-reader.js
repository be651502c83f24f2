// The last hour of channels, from history: for what is looked at, a few requests at a time.

const READERS = 3;
const HOUR = 3_600_000; // ms

/**
 * @typedef {{name: string, spark: import("./sparkline.js").Sparkline | null, wasRead: boolean}}
 * Readable
 * @typedef {{device: string, channel: Readable}} Wanted
 */

export class HistoryReader {
  /** @type {Wanted[]} */
  #waiting = [];
  #reading = 0;
  #ask;
  #done;

  /**
   * @param {(path: string) => Promise<any>} ask
   * @param {(device: string) => void} done a line of this device is there
   */
  constructor(ask, done) {
    this.#ask = ask;
    this.#done = done;
  }

  /**
   * Reads what was not read yet.
   * @param {string} device
   * @param {Iterable<Readable>} channels
   */
  want(device, channels) {
    for (const channel of channels) {
      if (!channel.spark || channel.wasRead) continue;
      channel.wasRead = true;
      this.#waiting.push({ device, channel });
    }
    while (this.#reading < READERS && this.#waiting.length > 0) this.#next();
  }

  /** Lets go of what waits: all of it must be read anew. */
  clear() {
    for (const { channel } of this.#waiting) channel.wasRead = false;
    this.#waiting = [];
  }

  async #next() {
    this.#reading += 1;
    const { device, channel } = /** @type {Wanted} */ (this.#waiting.shift());
    try {
      channel.spark?.fill((await this.#ask(pathOf(device, channel.name))).buckets);
      this.#done(device);
    } catch {
      channel.wasRead = false; // read again when it is next looked at
    } finally {
      this.#reading -= 1;
      if (this.#waiting.length > 0) this.#next();
    }
  }
}

/** @param {string} device @param {string} channel */
function pathOf(device, channel) {
  const start = String(Date.now() - HOUR);
  const asked = { device, channel, start, every: "1m", fn: "avg,count", limit: "100" };
  return `/history?${new URLSearchParams(asked)}`;
}
