// Forms: sent by script alone, once at a time, with what went wrong shown inside.

import { sentence } from "./api.js";

/**
 * Runs `work` when a form is sent. Forms that only a script can send have a disabled button until
 * here, and none has
 * the method GET: no password comes into an address.
 * @param {HTMLFormElement} form
 * @param {(data: FormData, form: HTMLFormElement) => Promise<unknown>} work
 */
export function onSubmit(form, work) {
  for (const button of form.querySelectorAll("button[disabled]"))
    button.removeAttribute("disabled");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const pressed = event.submitter ?? form.querySelector("button:not([type=button])");
    const button = /** @type {HTMLButtonElement} */ (pressed);
    button.disabled = true;
    complain(form, null);
    try {
      await work(new FormData(form), form);
    } catch (error) {
      complain(form, error);
    } finally {
      button.disabled = false;
    }
  });
}

/**
 * Says in the form what is wrong, and marks the fields; null takes it back.
 * @param {HTMLFormElement} form
 * @param {any} error
 */
export function complain(form, error) {
  const place = form.querySelector(".wrong");
  for (const input of form.querySelectorAll("[aria-invalid]"))
    input.removeAttribute("aria-invalid");
  if (place instanceof HTMLElement) {
    place.hidden = !error;
    place.textContent = error ? sentence(error) : "";
  }
  for (const name of Object.keys(error?.fields ?? {})) {
    const input = form.elements.namedItem(name);
    if (input instanceof HTMLElement) input.setAttribute("aria-invalid", "true");
  }
}

/** A form as it was at first, without complaints. @param {HTMLFormElement} form */
export function clear(form) {
  form.reset();
  complain(form, null);
}

/** A field's text without spaces around it. @param {FormData} data @param {string} name */
export const text = (data, name) => String(data.get(name) ?? "").trim();

/**
 * A field of a form by its name.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @returns {HTMLInputElement}
 */
export const field = (form, name) =>
  /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
