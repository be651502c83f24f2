// How the connection is: what to show of it, and whether something was missed.

import { t } from "./text.js";
import { when } from "./words.js";

export class LinkState {
  /** @type {number | null} */
  #lostAt = null;
  #everLive = false;
  /** @type {"connecting" | "live" | "lost"} */
  name = "connecting";

  /**
   * Takes what `Live` tells. Gives whether the connection is back after it was lost.
   * @param {"connecting" | "live" | "lost"} told
   */
  change(told, now = Date.now()) {
    const back = told === "live" && this.#lostAt !== null;
    if (told === "lost") this.#lostAt ??= now;
    if (told === "live") {
      this.#everLive = true;
      this.#lostAt = null;
    }
    this.name = told === "connecting" && this.#lostAt !== null ? "lost" : told;
    return back;
  }

  get lost() {
    return this.#lostAt !== null;
  }

  get text() {
    if (this.name === "live") return t("link.live");
    if (this.#lostAt === null) return t("link.connecting");
    return this.#everLive ? t("link.lost", { time: when(this.#lostAt) }) : t("link.away");
  }
}

/**
 * Shows it in the page's heading. @param {HTMLElement} place with a dot and a text inside
 * @param {LinkState} state @param {number} [seconds] until the next attempt
 */
export function showLink(place, state, seconds) {
  document.body.dataset.link = place.dataset.state = state.name;
  const text = /** @type {Element} */ (place.lastElementChild);
  if (text.textContent !== state.text) text.textContent = state.text;
  place.title = seconds ? t("link.next", { seconds: seconds.toFixed(0) }) : "";
}
