import { ask, onSubmit } from "./api.js";
import { byId } from "./dom.js";

onSubmit(byId("sign-in"), async (data) => {
  await ask("POST", "/login", Object.fromEntries(data), { open: true });
  location.replace("/");
});
