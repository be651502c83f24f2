import "./language.js";
import { ask } from "./api.js";
import { formById } from "./dom.js";
import { onSubmit } from "./forms.js";

onSubmit(formById("sign-up"), async (data) => {
  const { password, ...rest } = Object.fromEntries(data);
  const invitation = new URLSearchParams(location.search).get("link");
  const user = await ask(
    "POST",
    "/users",
    { password, ...rest, ...(invitation && { invitation }) },
    { open: true },
  );
  // The invitation of one address makes the account of that address, whatever was typed.
  await ask("POST", "/login", { email: user.email, password }, { open: true });
  location.replace("/");
});
