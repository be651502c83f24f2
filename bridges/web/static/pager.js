// A list that is read page by page, newest first: "More" brings the next.

import { ask } from "./api.js";
import { byId } from "./dom.js";
import { attempt } from "./page.js";

export class Pager {
  /** @type {number | string | null} */
  #after = null;
  #path;
  #show;

  /** @param {string} path @param {(answer: any) => void} show puts a page's rows at the end */
  constructor(path, show) {
    this.#path = path;
    this.#show = show;
    byId("more").addEventListener("click", () => this.next());
  }

  next() {
    return attempt(async () => {
      const query = new URLSearchParams({
        limit: "100",
        ...(this.#after === null ? {} : { after: String(this.#after) }),
      });
      const answer = await ask("GET", `${this.#path}?${query}`);
      this.#after = answer.next;
      byId("more").hidden = answer.next === null;
      this.#show(answer);
    });
  }
}
