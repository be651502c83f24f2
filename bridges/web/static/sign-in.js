import "./language.js";
import { ask } from "./api.js";
import { formById } from "./dom.js";
import { onSubmit } from "./forms.js";

onSubmit(formById("sign-in"), async (data) => {
  await ask("POST", "/login", Object.fromEntries(data), { open: true });
  location.replace("/");
});
