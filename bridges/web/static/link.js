import "./language.js";
import { ask } from "./api.js";
import { formById } from "./dom.js";
import { onSubmit } from "./forms.js";

onSubmit(formById("link"), async () => {
  const link = new URLSearchParams(location.search).get("link");
  await ask("POST", "/login", { link }, { open: true });
  location.replace("/");
});
