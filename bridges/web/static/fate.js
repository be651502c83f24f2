// What became of commands: each is followed by its id through the frames that tell its state.

import { sentence } from "./api.js";
import { t } from "./text.js";
import { shown } from "./words.js";

const KEPT = 200; // commands of which something is known
const FINAL = new Set(["replied", "expired", "failed", "refused"]);

/** @typedef {{state: string, reply?: Value, error?: string}} Fate */

export class Fates {
  /** @type {Map<string, Fate>} */
  #known = new Map();
  /** @type {Map<string, (fate: Fate) => void>} */
  #told = new Map();

  /** Takes a frame of a command or a reply; others are nothing to it. @param {Frame} frame */
  take({ type, id, state, value, error }) {
    if (id === undefined || (type !== "command" && type !== "reply")) return;
    this.#tell(
      id,
      type === "reply" ? { state: "replied", reply: value } : { state: state ?? "sent", error },
    );
  }

  /** @param {string} id @param {Fate} told */
  #tell(id, told) {
    const before = this.#known.get(id);
    const fate = before?.reply !== undefined ? before : { ...before, ...told };
    this.#known.delete(id);
    this.#known.set(id, fate);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KEPT) break;
      this.#known.delete(oldest);
      this.#told.delete(oldest);
    }
    this.#told.get(id)?.(fate);
    if (FINAL.has(fate.state) && fate.reply !== undefined) this.#told.delete(id);
  }

  /**
   * Follows a command that is being sent: `told` hears of each change, the first time at once.
   * @param {Promise<string>} sending gives its id @param {(fate: Fate) => void} told
   */
  async follow(sending, told) {
    told({ state: "sending" });
    try {
      const id = await sending;
      this.#told.set(id, told);
      told(this.#known.get(id) ?? { state: "queued" });
    } catch (error) {
      told({ state: "refused", error: sentence(error) });
    }
  }
}

/**
 * What to say about it.
 * @param {Fate} fate
 * @param {boolean} [online] whether the device is there
 */
export function fateText({ state, reply, error }, online = true) {
  if (state === "replied" && reply !== undefined) return t("fate.reply", { value: shown(reply) });
  if (state === "queued" && !online) return t("fate.waits");
  if (state === "refused") return error ?? "";
  return error ? `${t(`fate.${state}`)}: ${error}` : t(`fate.${state}`);
}

/**
 * Shows it in an element.
 * @param {HTMLElement} place
 * @param {Fate} fate
 * @param {boolean} [online]
 */
export function showFate(place, fate, online) {
  place.textContent = fateText(fate, online);
  place.dataset.fate = fate.state;
}
