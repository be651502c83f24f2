// Who is signed in: password, invitations, and the way out.

import { ask, onSubmit, sentence } from "./api.js";
import { byId, furnish } from "./dom.js";

furnish();

async function show() {
  try {
    const { user, admin } = await ask("GET", "/me");
    const role = admin ? "an admin: you see and manage every device" : "a user: you see and manage your own devices";
    byId("who").textContent = `You are ${user.name ? `${user.name} (${user.email})` : user.email}, ${role}.`;
    byId("inviting").hidden = !admin;
    byId("password").elements.username.value = user.email; // for password managers
  } catch (error) {
    byId("problem").textContent = sentence(error);
    byId("problem").hidden = false;
  }
}

onSubmit(byId("invite"), async (data) => {
  const email = data.get("email").trim();
  const asked = { role: data.has("admin") ? "admin" : "user", ...(email && { email }) };
  const { invitation } = await ask("POST", "/invitations", asked);
  byId("invitation-text").textContent = `${location.origin}/sign-in?link=${invitation}`;
  byId("invitation").hidden = false;
  byId("invite").reset();
});

onSubmit(byId("password"), async (data, form) => {
  // A wrong current password is answered with 401: that is no reason to leave the page.
  await ask("POST", "/me/password", { current: data.get("current"), password: data.get("password") }, { open: true });
  form.reset();
  form.querySelector("output").value = "Changed. Other browsers are signed out.";
});

async function leave(query) {
  await ask("POST", `/logout${query}`);
  location.assign("/sign-in");
}

onSubmit(byId("leave"), () => leave(""));
onSubmit(byId("leave-all"), () => leave("?everywhere=true"));

show();
