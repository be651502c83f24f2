// Who did what, newest first. Users and tokens are shown by their names.

import "./language.js";
import { ask } from "./api.js";
import { byId, inputById, make } from "./dom.js";
import { begin } from "./page.js";
import { Pager } from "./pager.js";
import { stringify } from "./exact.js";
import { t } from "./text.js";
import { exactly, when } from "./words.js";

/**
 * @typedef {{id: number, at: number, actor: string, action: string, object: string, address:
 * string, detail: Record<string, any>}} Deed
 */

begin();

/** @type {Map<string, string>} */
const names = new Map();

/** "user:2" as the user's email. @param {string} key */
function named(key) {
  const [kind, id] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  if (kind === "device") return make("a", { href: `/devices/${encodeURIComponent(id)}` }, id);
  return make("span", { title: key }, names.get(key) ?? key);
}

/** @param {Deed} deed */
function row({ at, actor, action, object, address, detail }) {
  const told = Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : stringify(value)}`)
    .join(", ");
  const cells = [
    make("time", { title: exactly(at), dateTime: new Date(at).toISOString() }, when(at)),
    named(actor),
    action,
    named(object),
    address,
    told,
  ];
  return make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
}

function find() {
  const wanted = inputById("find").value.trim().toLowerCase();
  for (const each of /** @type {any} */ (byId("list").children))
    each.hidden = !each.textContent.toLowerCase().includes(wanted);
}

inputById("find").addEventListener("input", find);

const pager = new Pager("/audit", ({ audit }) => {
  byId("list").append(...audit.map(row));
  find();
});

const { users } = await ask("GET", "/users").catch(() => ({ users: [] }));
for (const user of users) names.set(`user:${user.id}`, user.name || user.email);
const { tokens } = await ask("GET", "/tokens").catch(() => ({ tokens: [] }));
for (const token of tokens)
  names.set(`token:${token.id}`, token.name || t("tokens.unnamed", { id: token.id }));
pager.next();
