// Tabs: one of several panels is shown; arrow keys go from one to the next.

import { make } from "./dom.js";
import { t } from "./text.js";

/**
 * @typedef {Record<string, () => Promise<(Node | string)[]>>} Panels by name; each is made when it
 * is first shown
 */

export class Tabs {
  #root;
  #texts;
  /** @type {Panels} */
  #panels = {};
  #chosen = "";
  #panel;

  /**
   * @param {HTMLElement} root
   * @param {string} texts the labels are the texts of these keys: `${texts}.${name}`
   */
  constructor(root, texts) {
    this.#root = root;
    this.#texts = texts;
    this.#panel = make("div", { role: "tabpanel", id: `${root.id}-panel`, tabIndex: -1 });
  }

  /** Shows these panels; the one that was chosen stays so. @param {Panels} panels */
  show(panels) {
    this.#panels = panels;
    const names = Object.keys(panels);
    if (!names.includes(this.#chosen)) this.#chosen = names[0];
    const list = make(
      "div",
      { role: "tablist", className: "tabs" },
      ...names.map((name) => this.#tab(name)),
    );
    this.#root.replaceChildren(list, this.#panel);
    this.#choose(this.#chosen);
  }

  /** @param {string} name */
  #tab(name) {
    const tab = make(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${this.#root.id}-${name}`,
        "aria-controls": this.#panel.id,
      },
      t(`${this.#texts}.${name}`),
    );
    tab.addEventListener("click", () => this.#choose(name));
    tab.addEventListener("keydown", (event) => this.#move(event, name));
    return tab;
  }

  /** @param {KeyboardEvent} event @param {string} name */
  #move(event, name) {
    const names = Object.keys(this.#panels),
      step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(name) + step + names.length) % names.length];
    this.#choose(next);
    document.getElementById(`${this.#root.id}-${next}`)?.focus();
  }

  /** @param {string} name */
  async #choose(name) {
    this.#chosen = name;
    for (const tab of this.#root.querySelectorAll("[role=tab]")) {
      const mine = tab.id === `${this.#root.id}-${name}`;
      tab.setAttribute("aria-selected", String(mine));
      tab.setAttribute("tabindex", mine ? "0" : "-1");
    }
    this.#panel.setAttribute("aria-labelledby", `${this.#root.id}-${name}`);
    const content = await this.#panels[name]();
    if (this.#chosen === name) this.#panel.replaceChildren(...content);
  }
}
