// Who is signed in: password, sessions, and the way out.

import "./language.js";
import { ask } from "./api.js";
import { byId, formById } from "./dom.js";
import { field, onSubmit } from "./forms.js";
import { attempt, begin } from "./page.js";
import { t } from "./text.js";

begin();

attempt(async () => {
  const { user, admin } = await ask("GET", "/me");
  const name = user.name ? `${user.name} (${user.email})` : user.email;
  byId("who").textContent = t(admin ? "account.admin" : "account.user", { name });
  field(formById("password"), "username").value = user.email; // for password managers
});

onSubmit(formById("password"), async (data, form) => {
  // A wrong current password is answered with 401: that is no reason to leave the page.
  await ask(
    "POST",
    "/me/password",
    { current: String(data.get("current")), password: String(data.get("password")) },
    { open: true },
  );
  form.reset();
  /** @type {HTMLOutputElement} */ (form.querySelector("output")).value = t("account.changed");
});

/** @param {string} query */
async function leave(query) {
  await ask("POST", `/logout${query}`);
  location.assign("/sign-in");
}

onSubmit(formById("leave"), () => leave(""));
onSubmit(formById("leave-all"), () => leave("?everywhere=true"));
