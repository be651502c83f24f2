// The board: cards in order, drawn at most once a picture and only where one looks, and found by a
// word.

import { placeOf } from "./order.js";

/** @typedef {import("./card.js").Card} Card */

/** @param {Card} a @param {Card} b */
const inOrder = (a, b) => (a.id < b.id ? -1 : Number(a.id > b.id));

export class Board {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** @type {Card[]} */
  #order = [];
  /** @type {Set<Card>} */
  #changed = new Set();
  /** @type {Set<Card>} */
  #visible = new Set();
  /** @type {WeakMap<Element, Card>} */
  #cardOf = new WeakMap();
  #picture = 0;
  #wanted = "";
  #state = "";
  #root;
  #hooks;
  #seen;

  /** @param {HTMLElement} root @param {{seen: (card: Card) => void, drawn: () => void}} hooks */
  constructor(root, hooks) {
    this.#root = root;
    this.#hooks = hooks;
    this.#seen = new IntersectionObserver((entries) => this.#look(entries), {
      rootMargin: "200px",
    });
  }

  get size() {
    return this.#cards.size;
  }

  get online() {
    return this.#order.reduce((sum, card) => sum + Number(card.online), 0);
  }

  get all() {
    return this.#order;
  }

  get found() {
    return this.#order.filter((card) => this.#matches(card)).length;
  }

  /** @param {string} id */
  get(id) {
    return this.#cards.get(id);
  }

  /** @param {Card} card */
  isVisible(card) {
    return this.#visible.has(card);
  }

  /** Puts a new card where its id belongs, so that nothing moves about later. @param {Card} card */
  add(card) {
    const place = placeOf(this.#order, card, inOrder);
    this.#root.insertBefore(card.element, this.#order[place]?.element ?? null);
    this.#order.splice(place, 0, card);
    this.#cards.set(card.id, card);
    this.#cardOf.set(card.element, card);
    card.element.hidden = !this.#matches(card);
    this.#seen.observe(card.element);
    this.touch(card);
  }

  /** @param {Card} card */
  remove(card) {
    this.#seen.unobserve(card.element);
    card.element.remove();
    this.#cards.delete(card.id);
    this.#order.splice(this.#order.indexOf(card), 1);
    for (const set of [this.#changed, this.#visible]) set.delete(card);
  }

  /** Draws a card at the next picture. @param {Card} card */
  touch(card) {
    this.#changed.add(card);
    if (this.#picture === 0) this.#picture = requestAnimationFrame(() => this.#draw());
  }

  /** Draws what is looked at, for ages and lines. */
  touchVisible() {
    for (const card of this.#visible) this.touch(card);
  }

  /** @param {(card: Card) => void} work */
  forVisible(work) {
    this.#visible.forEach(work);
  }

  /**
   * Shows the cards that match a word and are online or offline, if either is chosen.
   * @param {string} word @param {string} state
   */
  find(word, state) {
    this.#wanted = word.trim().toLowerCase();
    this.#state = state;
    for (const card of this.#order) card.element.hidden = !this.#matches(card);
  }

  /** @param {Card} card */
  #matches(card) {
    const there = this.#state === "" || (this.#state === "online") === card.online;
    return there && (card.search ?? "").includes(this.#wanted);
  }

  #draw() {
    this.#picture = 0;
    const now = Date.now();
    for (const card of this.#changed) {
      if (this.#visible.has(card)) card.render(now);
      if (this.#state) card.element.hidden = !this.#matches(card);
    }
    this.#changed.clear();
    this.#hooks.drawn();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cardOf.get(target);
      if (!card) continue;
      if (!isIntersecting) this.#visible.delete(card);
      else {
        this.#visible.add(card);
        this.touch(card);
        this.#hooks.seen(card);
      }
    }
  }
}
