// My API tokens: make, revoke.

import "./language.js";
import { ask } from "./api.js";
import { confirm, dialogById, formOf, showSecret } from "./dialogs.js";
import { byId, make } from "./dom.js";
import { onSubmit, text } from "./forms.js";
import { attempt, begin } from "./page.js";
import { t } from "./text.js";
import { date, when } from "./words.js";

const DAY = 86_400_000; // ms

begin();

const show = () =>
  attempt(async () => {
    const { tokens } = await ask("GET", "/tokens");
    byId("list").replaceChildren(...tokens.map(row));
    byId("empty").hidden = tokens.length > 0;
  });

/** @param {any} token */
function row(token) {
  const label = token.name || t("tokens.unnamed", { id: token.id });
  const revoke = make(
    "button",
    { type: "button", className: "quiet", ariaLabel: `${t("tokens.revoke")}: ${label}` },
    t("tokens.revoke"),
  );
  revoke.addEventListener("click", () => end(token.id, label));
  const name = make(
    "div",
    { className: "name" },
    make("span", {}, label),
    make("span", { className: "tag" }, t(`scope.${token.scope}`)),
  );
  return make(
    "li",
    {},
    make("div", {}, name, make("p", { className: "about" }, about(token))),
    make("div", { className: "do" }, revoke),
  );
}

/** @param {number} id @param {string} label */
async function end(id, label) {
  const question = {
    title: t("tokens.revoke-title"),
    text: t("tokens.revoke-text", { name: label }),
    label: t("tokens.revoke"),
  };
  if ((await confirm(question)) && (await attempt(() => ask("DELETE", `/tokens/${id}`)))) show();
}

/** @param {any} token */
function about({ devices, last_used: used, expires }) {
  const parts = [
    devices ? t("tokens.only", { devices: devices.join(", ") }) : t("tokens.all"),
    used ? t("tokens.used", { time: when(used) }) : t("tokens.unused"),
    expires
      ? t(expires <= Date.now() ? "tokens.expired" : "tokens.expires", { date: date(expires) })
      : t("tokens.lasting"),
  ];
  return parts.join(" · ");
}

onSubmit(formOf("new"), async (data) => {
  /** @type {Record<string, any>} */
  const asked = { name: text(data, "name"), scope: text(data, "scope") };
  const devices = text(data, "devices")
    .split(/[\s,]+/)
    .filter(Boolean);
  if (devices.length > 0) asked.devices = devices;
  if (data.get("days"))
    asked.expires = new Date(Date.now() + Number(data.get("days")) * DAY).toISOString();
  const { token } = await ask("POST", "/tokens", asked);
  dialogById("new").close();
  showSecret("token", byId("token-text"), token);
  await show();
});

show();
