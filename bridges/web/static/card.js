// One device on the board: what it is, whether it is there, its channels, and a form to send it a command.

import { make } from "./dom.js";
import { HEIGHT, Line, WIDTH } from "./line.js";
import { ago, exactly, shown, typed, when } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

export class Channel {
  constructor(name) {
    this.name = name;
    this.frame = null;
    this.line = null; // once a number has come
    this.parts = null;
  }

  take(frame, isNew) {
    if (!newer(frame, this.frame)) return;
    this.frame = frame;
    if (typeof frame.value !== "number") return;
    this.line ??= new Line();
    if (isNew) this.line.add(frame.ts, frame.value);
  }

  render(now) {
    const numeric = this.line !== null;
    if (this.parts?.numeric !== numeric) this.#build(numeric);
    const { value, age, path, row } = this.parts;
    write(value, shown(this.frame.value));
    write(age, ago(this.frame.ts, now));
    row.title = exactly(this.frame.ts);
    if (numeric) path.setAttribute("d", this.line.path(now));
  }

  #build(numeric) {
    const value = make("span", { className: "value" });
    const age = make("span", { className: "age" });
    const row = make("div", { className: numeric ? "channel" : "channel plain" }, make("dt", { title: this.name }, this.name));
    const path = document.createElementNS(SVG, "path");
    if (numeric) row.append(drawing(path));
    row.append(make("dd", {}, value, age));
    this.parts?.row.replaceWith(row);
    this.parts = { numeric, row, value, age, path };
  }
}

/** "Latest" is the greatest `ts`, the greater `seq` among equals. */
function newer(frame, than) {
  return than === null || frame.ts > than.ts || (frame.ts === than.ts && frame.seq >= than.seq);
}

function drawing(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

/** Changes a text only where it differs: an unchanged node costs no layout. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Card {
  #channels = new Map();
  #presence = null; // {online, since}
  #about;
  #parts;
  #send;

  /** `about`: the device as the API has it, or `{id}`. `send(device, name, value)` resolves with the reply's value. */
  constructor(about, send) {
    this.id = about.id;
    this.#send = send;
    this.#build();
    this.describe(about);
  }

  get element() { return this.#parts.card; }
  get online() { return this.#presence?.online === true; }
  get channels() { return this.#channels; }
  get label() { return this.#about.name || this.id; }

  /** Takes the device's record. What it says of presence counts until a frame tells: frames come in order. */
  describe(about) {
    this.#about = about;
    this.recorded = about.online !== undefined;
    if (!this.#presence?.since) this.#presence = about.online || about.last_seen ? { online: about.online, since: null } : null;
    this.#parts.title.replaceChildren(this.label);
    if (about.name) this.#parts.title.append(make("small", {}, this.id));
    this.search = `${this.id} ${about.name ?? ""} ${about.type ?? ""}`.toLowerCase();
  }

  take(frame, isNew) {
    if (frame.type === "presence") {
      this.#presence = { online: frame.value === "online", since: frame.ts };
    } else if (frame.type === "telemetry") {
      if (!this.#channels.has(frame.channel)) this.#channels.set(frame.channel, new Channel(frame.channel));
      this.#channels.get(frame.channel).take(frame, isNew);
    }
  }

  /** Brings the page up to what is known. Called once a picture at most. */
  render(now) {
    const { card, dot, since, list, nothing } = this.#parts;
    card.dataset.online = dot.dataset.state = this.#presence ? (this.online ? "online" : "offline") : "unknown";
    write(since, this.#standing(now));
    nothing.hidden = this.#channels.size > 0;
    const names = [...this.#channels.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    names.forEach((name, place) => {
      const channel = this.#channels.get(name);
      channel.render(now);
      const row = channel.parts.row;
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
  }

  #standing(now) {
    if (this.#presence?.since) return `${this.online ? "Online" : "Offline"} since ${when(this.#presence.since, now)}`;
    if (this.online) return "Online";
    if (this.#about.last_seen) return `Offline, last seen ${when(this.#about.last_seen, now)}`;
    return this.#channels.size > 0 ? "Presence not known" : "Never connected";
  }

  #build() {
    const dot = make("span", { className: "dot" });
    const title = make("h2", { id: `device-${this.id}` });
    const since = make("p", { className: "since" });
    const list = make("dl");
    const nothing = make("p", { className: "nothing" }, "No values yet. ",
      make("a", { href: `/docs?device=${encodeURIComponent(this.id)}` }, "Connect it"));
    const details = make("details", {}, make("summary", {}, "Send a command"));
    details.addEventListener("toggle", () => { if (details.childElementCount === 1) details.append(this.#form()); });
    const card = make("article", { className: "card" }, make("header", {}, dot, title, since), list, nothing, details);
    card.setAttribute("aria-labelledby", title.id);
    this.#parts = { card, dot, title, since, list, nothing };
  }

  /** Made when it is opened: a board of hundreds needs few of them. */
  #form() {
    const name = make("input", { name: "name", required: true, placeholder: "led", autocomplete: "off", autocapitalize: "none", spellcheck: false });
    const value = make("input", { name: "value", placeholder: "1", autocomplete: "off", autocapitalize: "none", spellcheck: false });
    const said = make("output");
    const button = make("button", {}, "Send");
    const form = make("form", { className: "command" }, make("label", {}, "Command ", name), make("label", {}, "Value ", value), button, said);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      said.value = "Sent, waiting for a reply";
      said.value = await this.#send(this.id, name.value.trim(), typed(value.value));
      button.disabled = false;
    });
    return form;
  }
}
