// The WebSocket: one subscription, resumed by `since` and `epoch` after a lost connection.

import { parse, stringify } from "./exact.js";
import { t } from "./text.js";

const FIRST_PAUSE = 500,
  LONGEST_PAUSE = 15_000; // ms
const QUIET = 20_000; // ms without a message: ask whether the gateway is there
const PATIENCE = 8_000; // ms to answer, and to connect
const OPEN = 1; // WebSocket.OPEN

/**
 * What a page does with what comes.
 * @typedef {object} Hooks
 * @property {(frame: Frame, isNew: boolean) => void} frame a frame has come; not `isNew`: it was
 * there before
 * @property {(name: "connecting" | "live" | "lost", seconds?: number) => void} state lost:
 * seconds until the next attempt
 * @property {(reason: "gap" | "epoch") => void} restart frames are missing for good, what is
 * shown has to be read anew
 * @property {() => Promise<unknown>} beforeRetry a page that is no longer signed in leaves there
 */

/** @type {Timers} */
const TIMERS = { set: (work, ms) => setTimeout(work, ms), clear: (timer) => clearTimeout(timer) };
const here = () =>
  new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/api/v1/ws`);

export class Live {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {string | undefined} */
  #epoch;
  /** @type {number | undefined} */
  #since;
  #newest = 0; // the newest seq when the connection began
  #pause = FIRST_PAUSE;
  /** @type {any} */
  #retry = null;
  /** @type {any} */
  #watch = null;
  /** @type {Map<string, {resolve: (id: string) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #number = 0;
  #filter;
  #on;
  #open;
  #timers;

  /**
   * @param {string} filter
   * @param {Hooks} hooks
   * @param {{open?: () => WebSocket, timers?: Timers}} [outside]
   */
  constructor(filter, hooks, { open = here, timers = TIMERS } = {}) {
    this.#filter = filter;
    this.#on = hooks;
    this.#open = open;
    this.#timers = timers;
  }

  connect() {
    this.#timers.clear(this.#retry);
    this.#retry = null;
    this.#on.state("connecting");
    const socket = this.#open();
    this.#socket = socket;
    this.#watchFor(PATIENCE, () => this.#drop(socket));
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#take(parse(data));
    });
    socket.addEventListener("close", () => this.#drop(socket));
  }

  /** Tries again at once if it waits: the network is back, or somebody looks. */
  hurry() {
    if (this.#socket !== null || this.#retry === null) return;
    this.#timers.clear(this.#retry);
    this.#again();
  }

  /**
   * Sends a command. Gives its id once it is stored; an Error has the gateway's `code`.
   * @param {string} device @param {string} name @param {Value} value @returns {Promise<string>}
   */
  command(device, name, value) {
    if (this.#socket?.readyState !== OPEN)
      return Promise.reject(new Error(t("live.not-connected")));
    const id = `c${++this.#number}`;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#say({ type: "command", id, device, name, value });
    });
  }

  /** @param {object} message */
  #say(message) {
    this.#socket?.send(stringify(message));
  }

  /** @param {any} message */
  #take(message) {
    this.#listen();
    switch (message.type) {
      case "hello":
        return this.#greet(message);
      case "ack":
        return this.#acknowledge(message);
      case "error":
        return this.#fail(message);
      case "gap":
        return this.#miss("gap");
      default:
        return this.#show(message);
    }
  }

  /**
   * What has no place in the sequence is no frame: a pong, or a message of a later version.
   * @param {any} message
   */
  #show(message) {
    if (!Number.isInteger(message.seq)) return;
    this.#since = Math.max(this.#since ?? 0, message.seq);
    this.#on.frame(message, message.seq > this.#newest);
  }

  /** @param {{epoch: string, seq: number}} hello */
  #greet({ epoch, seq }) {
    const other = this.#epoch !== undefined && this.#epoch !== epoch;
    this.#newest = seq;
    this.#epoch = epoch;
    if (other) this.#miss("epoch");
    else this.#subscribe(this.#since === undefined ? {} : { since: this.#since, epoch });
  }

  /** @param {object} from */
  #subscribe(from) {
    this.#say({ type: "subscribe", id: "all", filter: this.#filter, mode: "latest", ...from });
  }

  /** @param {{id: string, command?: string}} message */
  #acknowledge({ id, command }) {
    if (command !== undefined) this.#settle(id)?.resolve(command);
    if (id !== "all") return;
    this.#pause = FIRST_PAUSE;
    this.#since ??= 0;
    this.#on.state("live");
  }

  /** @param {{id: string, code: string, message: string}} told */
  #fail({ id, code, message }) {
    const waiting = this.#settle(id);
    if (waiting) waiting.reject(Object.assign(new Error(message), { code }));
    else if (code === "future_cursor") this.#miss("epoch");
    else if (code === "unauthenticated") this.#on.beforeRetry();
  }

  /** Begins anew with the latest of each channel. @param {"gap" | "epoch"} reason */
  #miss(reason) {
    this.#since = undefined;
    this.#on.restart(reason);
    this.#subscribe({});
  }

  /** @param {string} id */
  #settle(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /**
   * A connection whose other end has vanished says nothing: ask, and give it up if there is no
   * answer.
   */
  #listen() {
    const socket = this.#socket;
    this.#watchFor(QUIET, () => {
      this.#say({ type: "ping" });
      this.#watchFor(PATIENCE, () => this.#drop(socket));
    });
  }

  /** @param {number} ms @param {() => void} then */
  #watchFor(ms, then) {
    this.#timers.clear(this.#watch);
    this.#watch = this.#timers.set(then, ms);
  }

  /** @param {WebSocket | null} socket */
  #drop(socket) {
    if (socket === null || socket !== this.#socket) return;
    this.#socket = null;
    this.#timers.clear(this.#watch);
    socket.close();
    for (const { reject } of this.#waiting.values()) reject(new Error(t("live.lost-command")));
    this.#waiting.clear();
    const pause = this.#pause * (0.75 + Math.random() / 4);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#on.state("lost", pause / 1000);
    this.#retry = this.#timers.set(() => this.#again(), pause);
  }

  async #again() {
    this.#retry = null;
    await this.#on.beforeRetry();
    if (this.#socket === null && this.#retry === null) this.connect();
  }
}

/** Tries again when the network is back or the page is looked at. @param {Live} live */
export function wake(live) {
  addEventListener("online", () => live.hurry());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) live.hurry();
  });
}
