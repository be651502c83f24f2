// The WebSocket: one subscription to everything, resumed by `since` and `epoch` after a lost connection.

const FIRST_PAUSE = 500, LONGEST_PAUSE = 15_000; // ms
const QUIET = 20_000; // ms without a message: ask whether the gateway is there
const PATIENCE = 8_000; // ms to answer, and to connect

export class Live {
  #socket = null;
  #epoch;
  #since;
  #hello;
  #pause = FIRST_PAUSE;
  #timer = 0;
  #watch = 0;
  #waiting = new Map(); // id -> {resolve, reject}
  #number = 0;

  /**
   * `frame(frame, isNew)`: a frame has come; `isNew` is false for what was before the subscription.
   * `state(name, seconds)`: "connecting", "live", or "lost" with the seconds until the next attempt.
   * `restart(reason)`: frames are missing for good, what is shown has to be read anew: "gap" or "epoch".
   * `refused()`: awaited before each new attempt; a page that is no longer signed in leaves there.
   */
  constructor({ frame, state, restart, refused }) {
    this.on = { frame, state, restart, refused };
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#hurry(); });
  }

  connect() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.on.state("connecting");
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/api/v1/ws`);
    this.#socket = socket;
    this.#watchFor(PATIENCE, () => this.#drop(socket));
    socket.addEventListener("message", ({ data }) => { if (socket === this.#socket) this.#take(JSON.parse(data)); });
    socket.addEventListener("close", () => this.#drop(socket));
  }

  /** Sends a command; resolves with the reply's value, rejects with an Error whose `code` the gateway gave. */
  command(device, name, value, wait) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error("Not connected to the gateway."));
    const id = `c${++this.#number}`;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#say({ type: "command", id, device, name, value, wait });
    });
  }

  #say(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #take(message) {
    this.#listen();
    switch (message.type) {
      case "hello": return this.#greet(message);
      case "ack": return this.#acknowledge(message);
      case "error": return this.#fail(message);
      case "gap": return this.#miss("gap");
      case "pong": return undefined;
      default:
    }
    if (message.type === "reply" && message.seq === undefined) return this.#settle(message.id)?.resolve(message.value);
    this.#since = Math.max(this.#since ?? 0, message.seq);
    return this.on.frame(message, message.seq > this.#hello.seq);
  }

  #greet(hello) {
    this.#hello = hello;
    const other = this.#epoch !== undefined && this.#epoch !== hello.epoch;
    this.#epoch = hello.epoch;
    if (other) this.#miss("epoch");
    else this.#subscribe(this.#since === undefined ? {} : { since: this.#since, epoch: this.#epoch });
  }

  #subscribe(from) {
    this.#say({ type: "subscribe", id: "all", filter: "#", mode: "latest", ...from });
  }

  #acknowledge(message) {
    if (message.id !== "all") return;
    this.#pause = FIRST_PAUSE;
    this.#since ??= 0;
    this.on.state("live");
  }

  #fail({ id, code, message }) {
    const error = Object.assign(new Error(message), { code });
    const waiting = this.#settle(id);
    if (waiting) waiting.reject(error);
    else if (code === "future_cursor") this.#miss("epoch");
    else if (code === "unauthenticated") this.on.refused();
  }

  /** Begins anew with the latest of each channel. */
  #miss(reason) {
    this.#since = undefined;
    this.on.restart(reason);
    this.#subscribe({});
  }

  #settle(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  /** A connection whose other end has vanished says nothing: ask, and give it up if there is no answer. */
  #listen() {
    const socket = this.#socket;
    this.#watchFor(QUIET, () => {
      this.#say({ type: "ping" });
      this.#watchFor(PATIENCE, () => this.#drop(socket));
    });
  }

  #watchFor(ms, then) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(then, ms);
  }

  async #drop(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#watch);
    socket.close();
    for (const { reject } of this.#waiting.values()) reject(new Error("The connection was lost; whether it arrived is not known."));
    this.#waiting.clear();
    const pause = this.#pause * (0.75 + Math.random() / 4);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.on.state("lost", pause / 1000);
    this.#timer = setTimeout(() => this.#again(), pause);
  }

  async #again() {
    await this.on.refused();
    if (this.#socket === null) this.connect();
  }

  #hurry() {
    if (this.#socket !== null || !this.#timer) return;
    clearTimeout(this.#timer);
    this.#again();
  }
}
