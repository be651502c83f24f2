// One device on the board: what it is, whether it is there, its channels, and a form to send it a
// command.

import { Channel } from "./channel.js";
import { commandForm } from "./command-form.js";
import { make, write } from "./dom.js";
import { recorded, standing, stateOf, told } from "./presence.js";
import { t } from "./text.js";
import { byName } from "./words.js";

const SHOWN = 8; // channels; the others are on the device's page

export class Card {
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** @type {import("./presence.js").Presence | null} */
  #presence = null;
  /** @type {DeviceRecord} */
  #record;
  /** @type {Record<string, any>} */
  #parts;
  #send;
  #isRecorded = false;

  /**
   * @param {DeviceRecord} record as the API has it, or `{id}`
   * @param {(card: Card, name: string, value: Value, place: HTMLElement) => Promise<unknown>} send
   */
  constructor(record, send) {
    this.id = record.id;
    this.#send = send;
    this.#record = record;
    this.#parts = this.#build();
    this.describe(record);
  }

  get element() {
    return this.#parts.card;
  }
  get online() {
    return this.#presence?.online === true;
  }
  get channels() {
    return this.#channels;
  }
  get label() {
    return this.#record.name || this.#record.about?.name || this.id;
  }
  /**
   * Whether the list of devices has it: a route may bring frames of a device that is on no list.
   */
  get isRecorded() {
    return this.#isRecorded;
  }

  /**
   * Takes the device's record. What it says of presence counts until a frame tells: frames come in
   * order.
   * @param {DeviceRecord} record
   */
  describe(record) {
    this.#record = record;
    this.#isRecorded = record.online !== undefined;
    if (!this.#presence?.since) this.#presence = recorded(record);
    this.#parts.title.replaceChildren(this.label);
    this.#parts.title.title = this.label;
    if (this.label !== this.id) this.#parts.title.append(make("small", {}, this.id));
    const about = record.about;
    for (const channel of this.#channels.values()) channel.about = about?.channels?.[channel.name];
    this.search = [
      this.id,
      record.name,
      record.type,
      about?.name,
      about?.model,
      ...(about?.tags ?? []),
    ]
      .join(" ")
      .toLowerCase();
  }

  /** @param {Frame} frame @param {boolean} isNew */
  take(frame, isNew) {
    if (frame.type === "presence") this.#presence = told(frame);
    if (frame.type === "telemetry") this.#channel(frame.channel).take(frame, isNew);
  }

  /** @param {string} name */
  #channel(name) {
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = new Channel(name);
      channel.about = this.#record.about?.channels?.[name];
      this.#channels.set(name, channel);
    }
    return channel;
  }

  /** Brings the page up to what is known. Called once a picture at most. @param {number} now */
  render(now) {
    const { card, dot, since, list, nothing, more } = this.#parts;
    card.dataset.online = dot.dataset.state = stateOf(this.#presence);
    write(since, standing(this.#presence, this.#record, this.#channels.size > 0, now));
    nothing.hidden = this.#channels.size > 0;
    const names = [...this.#channels.keys()].sort(byName);
    names.slice(0, SHOWN).forEach((name, place) => {
      const channel = /** @type {Channel} */ (this.#channels.get(name));
      channel.render(now);
      if (list.children[place] !== channel.row)
        list.insertBefore(channel.row, list.children[place] ?? null);
    });
    while (list.childElementCount > SHOWN) list.lastElementChild.remove();
    more.hidden = names.length <= SHOWN;
    write(more, t("card.more", { count: names.length - SHOWN }));
  }

  #build() {
    const url = `/devices/${encodeURIComponent(this.id)}`;
    const dot = make("span", { className: "dot" });
    const title = make("a", { href: url });
    const since = make("p", { className: "since" }),
      list = make("dl");
    const heading = make("h2", { id: `device-${this.id}` }, title);
    const more = make("a", { className: "more", href: url, hidden: true });
    const nothing = make(
      "p",
      { className: "nothing" },
      `${t("card.nothing")} `,
      make("a", { href: `/docs?device=${encodeURIComponent(this.id)}` }, t("card.connect")),
    );
    const details = make("details", {}, make("summary", {}, t("command.title")));
    details.addEventListener("toggle", () => {
      // made when it is opened: a board of hundreds needs few of them
      if (details.childElementCount === 1)
        details.append(commandForm((name, value, place) => this.#send(this, name, value, place)));
    });
    const card = make(
      "article",
      { className: "card", "aria-labelledby": heading.id },
      make("header", {}, dot, heading, since),
      list,
      more,
      nothing,
      details,
    );
    return { card, dot, title, since, list, nothing, more };
  }
}
