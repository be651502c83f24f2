// Users, for admins: who there is, invitations, roles.

import "./language.js";
import { ask } from "./api.js";
import { confirm, dialogById, formOf, showSecret } from "./dialogs.js";
import { byId, make } from "./dom.js";
import { onSubmit, text } from "./forms.js";
import { attempt, begin } from "./page.js";
import { place } from "./place.js";
import { t } from "./text.js";
import { date, when } from "./words.js";

/**
 * @typedef {{id: number, email: string, name: string, role: string, disabled: boolean, created:
 * number}} User
 */

begin();

/** @type {number | undefined} */
let me;
/** @type {DeviceRecord[]} */
let devices = [];

const show = () =>
  attempt(async () => {
    const { users } = await ask("GET", "/users");
    devices = (await ask("GET", "/devices")).devices;
    me ??= (await ask("GET", "/me")).user?.id;
    byId("list").replaceChildren(...users.map(row));
  });

/** @param {User} user */
function row(user) {
  const tags = [
    user.role === "admin" && t("users.admin"),
    user.disabled && t("users.disabled"),
    user.id === me && t("users.you"),
  ];
  const name = make(
    "div",
    { className: "name" },
    make("span", {}, user.name || user.email),
    ...tags.filter(Boolean).map((word) => make("span", { className: "tag" }, String(word))),
  );
  return make(
    "li",
    {},
    make("div", {}, name, make("p", { className: "about" }, about(user))),
    make("div", { className: "do" }, ...actions(user)),
  );
}

/** @param {User} user */
function about({ id, email, name, created }) {
  const owned = devices.filter((device) => device.owner === id).length;
  return [
    name && email,
    t("users.owns", { count: owned }),
    t("devices.added", { date: date(created) }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {User} user */
function actions(user) {
  if (user.id === me) return [];
  const button = (/** @type {string} */ key, /** @type {() => Promise<unknown>} */ work) =>
    make(
      "button",
      { type: "button", className: "quiet", ariaLabel: `${t(key)}: ${user.email}`, onclick: work },
      t(key),
    );
  const change = (/** @type {object} */ what) => async () => {
    if (await attempt(() => ask("PATCH", `/users/${user.id}`, what))) show();
  };
  return [
    user.role === "admin"
      ? button("users.make-user", change({ role: "user" }))
      : button("users.make-admin", change({ role: "admin" })),
    button(user.disabled ? "users.enable" : "users.disable", change({ disabled: !user.disabled })),
    button("users.remove", () => remove(user)),
  ];
}

/** @param {User} user */
async function remove({ id, email }) {
  const question = {
    title: t("users.remove-title"),
    text: t("users.remove-text", { email }),
    label: t("users.remove"),
  };
  if ((await confirm(question)) && (await attempt(() => ask("DELETE", `/users/${id}`)))) show();
}

onSubmit(formOf("invite"), async (data) => {
  const email = text(data, "email");
  const { invitation, expires } = await ask("POST", "/invitations", {
    role: data.has("admin") ? "admin" : "user",
    ...(email && { email }),
  });
  dialogById("invite").close();
  byId("invitation-until").textContent = t("users.until", { time: when(expires) });
  const url = document.documentElement.dataset.url ? place().web : location.origin;
  showSecret("invitation", byId("invitation-text"), `${url}/sign-in?link=${invitation}`);
});

show();
