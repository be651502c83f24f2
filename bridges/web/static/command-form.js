// The free form for a command: a name and any value. What a device announces has controls of its
// own.

import { make } from "./dom.js";
import { t } from "./text.js";
import { typed } from "./words.js";

const PLAIN = { autocomplete: "off", autocapitalize: "none", spellcheck: false };

/**
 * @param {(name: string, value: Value, place: HTMLElement) => Promise<unknown>} send shows in
 * `place` what became of it
 * @returns {HTMLFormElement}
 */
export function commandForm(send) {
  const name = make("input", { name: "name", required: true, placeholder: "led", ...PLAIN });
  const value = make("input", { name: "value", placeholder: "1", ...PLAIN });
  const fate = make("output", { className: "fate" });
  const button = make("button", {}, t("command.send"));
  const form = make(
    "form",
    { className: "command" },
    make("label", {}, t("command.name"), name),
    make("label", {}, t("command.value"), value),
    button,
    fate,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    await send(name.value.trim(), typed(value.value), fate);
    button.disabled = false;
  });
  return form;
}
