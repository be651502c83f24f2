import { ask, onSubmit } from "./api.js";
import { byId } from "./dom.js";

onSubmit(byId("link"), async () => {
  const link = new URLSearchParams(location.search).get("link");
  await ask("POST", "/login", { link }, { open: true });
  location.replace("/");
});
