// A WebSocket that the test speaks for, and timers that pass when it says so.

export class FakeSocket extends EventTarget {
  readyState = 1;
  sent = [];

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  /** Says something as the gateway. */
  say(...messages) {
    for (const message of messages) {
      const data = typeof message === "string" ? message : JSON.stringify(message);
      this.dispatchEvent(Object.assign(new Event("message"), { data }));
    }
  }

  end() {
    this.dispatchEvent(new Event("close"));
  }
}

export class FakeTimers {
  #next = 1;
  #waiting = new Map();
  now = 0;

  set = (work, ms) => {
    this.#waiting.set(this.#next, { work, at: this.now + ms });
    return this.#next++;
  };

  clear = (timer) => {
    this.#waiting.delete(timer);
  };

  pass(ms) {
    const until = this.now + ms;
    for (;;) {
      const due = [...this.#waiting].filter(([, { at }]) => at <= until);
      if (due.length === 0) break;
      const [timer, { work, at }] = due.sort((a, b) => a[1].at - b[1].at)[0];
      this.#waiting.delete(timer);
      this.now = at;
      work();
    }
    this.now = until;
  }
}
