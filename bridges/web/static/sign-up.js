import { ask, onSubmit } from "./api.js";
import { byId } from "./dom.js";

onSubmit(byId("sign-up"), async (data) => {
  const { password, ...rest } = Object.fromEntries(data);
  const invitation = new URLSearchParams(location.search).get("link");
  const user = await ask("POST", "/users", { password, ...rest, ...(invitation && { invitation }) }, { open: true });
  // The invitation of one address makes the account of that address, whatever was typed.
  await ask("POST", "/login", { email: user.email, password }, { open: true });
  location.replace("/");
});
