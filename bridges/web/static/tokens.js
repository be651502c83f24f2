// My API tokens: make, revoke.

import { ask, complain, onSubmit, sentence } from "./api.js";
import { byId, confirm, furnish, make } from "./dom.js";
import { date, when } from "./words.js";

const DAY = 86_400_000; // ms
const SCOPES = { read: "reads", write: "reads and sends", admin: "does everything" };

furnish();

async function show() {
  try {
    const { tokens } = await ask("GET", "/tokens");
    byId("list").replaceChildren(...tokens.map(row));
    byId("empty").hidden = tokens.length > 0;
    byId("problem").hidden = true;
  } catch (error) {
    byId("problem").textContent = sentence(error);
    byId("problem").hidden = false;
  }
}

function row(token) {
  const label = token.name || `Token ${token.id}`;
  const revoke = make("button", { type: "button", className: "quiet", ariaLabel: `Revoke: ${label}` }, "Revoke");
  revoke.addEventListener("click", () => {
    confirm("Revoke the token?", `Whatever uses “${label}” is cut off at once.`, "Revoke", () => ask("DELETE", `/tokens/${token.id}`));
  });
  const name = make("div", { className: "name" }, make("span", {}, label), make("span", { className: "tag" }, SCOPES[token.scope]));
  return make("li", {}, make("div", {}, name, make("p", { className: "about" }, about(token))), make("div", { className: "do" }, revoke));
}

function about(token) {
  const parts = [
    token.devices ? `only ${token.devices.join(", ")}` : "all devices you see",
    token.last_used ? `last used ${when(token.last_used)}` : "never used",
    token.expires ? `${token.expires <= Date.now() ? "expired" : "expires"} ${date(token.expires)}` : "does not expire",
  ];
  return parts.join(" · ");
}

byId("new").addEventListener("click", () => {
  const form = byId("create").querySelector("form");
  form.reset();
  complain(form, null);
  byId("create").showModal();
});

onSubmit(byId("create").querySelector("form"), async (data) => {
  const asked = { name: data.get("name").trim(), scope: data.get("scope") };
  const devices = data.get("devices").split(/[\s,]+/).filter(Boolean);
  if (devices.length > 0) asked.devices = devices;
  if (data.get("days")) asked.expires = new Date(Date.now() + Number(data.get("days")) * DAY).toISOString();
  const { token } = await ask("POST", "/tokens", asked);
  byId("create").close();
  byId("token-text").textContent = token;
  byId("token").showModal();
  await show();
});

byId("token").addEventListener("close", () => { byId("token-text").textContent = ""; });

onSubmit(byId("sure").querySelector("form"), async (data, form) => {
  await form.work();
  byId("sure").close();
  await show();
});

show();
