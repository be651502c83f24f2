// Messages that could not be translated: which, why, and what to do about it.

import "./language.js";
import { byId, make } from "./dom.js";
import { begin } from "./page.js";
import { Pager } from "./pager.js";
import { remedy } from "./remedy.js";
import { t } from "./text.js";
import { exactly, when, whole } from "./words.js";

/**
 * @typedef {{id: number, at: number, topic: string, device: string | null, reason: string,
 * payload: any}} Rejected
 */

begin();

/** @param {Rejected} each */
function row({ at, topic, device, reason, payload }) {
  const name = make(
    "div",
    { className: "name" },
    make("code", {}, topic),
    ...(device
      ? [make("a", { className: "tag", href: `/devices/${encodeURIComponent(device)}` }, device)]
      : []),
  );
  const help = remedy(reason, topic);
  return make(
    "li",
    {},
    make(
      "div",
      {},
      name,
      make("p", { className: "why" }, reason),
      ...(help ? [make("p", { className: "about" }, help)] : []),
      make(
        "pre",
        { className: "payload", tabIndex: 0, ariaLabel: t("rejected.payload") },
        whole(payload),
      ),
    ),
    make(
      "time",
      { className: "muted", title: exactly(at), dateTime: new Date(at).toISOString() },
      when(at),
    ),
  );
}

new Pager("/rejected", ({ rejected }) => {
  byId("list").append(...rejected.map(row));
  byId("empty").hidden = byId("list").childElementCount > 0;
}).next();
