// Dialogs: opened with a clean form, closed by their buttons, and the question before what cannot
// be undone.

import { make } from "./dom.js";
import { clear } from "./forms.js";
import { t } from "./text.js";

/** @param {string} id @returns {HTMLDialogElement} */
export const dialogById = (id) => /** @type {HTMLDialogElement} */ (document.getElementById(id));

/** The form of a dialog. @param {string} id @returns {HTMLFormElement} */
export const formOf = (id) => /** @type {HTMLFormElement} */ (dialogById(id).querySelector("form"));

/** Opens a dialog with its form as it was at first. @param {string} id */
export function open(id) {
  const form = dialogById(id).querySelector("form");
  if (form) clear(form);
  dialogById(id).showModal();
}

/**
 * Shows a secret once: it is gone from the page when the dialog closes.
 * @param {string} id
 * @param {Element} place
 * @param {string} secret
 */
export function showSecret(id, place, secret) {
  place.textContent = secret;
  dialogById(id).addEventListener(
    "close",
    () => {
      place.textContent = "";
    },
    { once: true },
  );
  dialogById(id).showModal();
}

/**
 * Asks before something that cannot be undone.
 * @param {{title: string, text: string, label: string}} question
 * @returns {Promise<boolean>} whether it was confirmed
 */
export function confirm({ title, text, label }) {
  const cancel = make(
    "button",
    { type: "submit", value: "", className: "quiet", autofocus: true },
    t("cancel"),
  );
  const go = make("button", { type: "submit", value: "yes", className: "danger" }, label);
  const heading = make("h2", { id: "confirm-title" }, title);
  const dialog = make(
    "dialog",
    { "aria-labelledby": heading.id },
    make(
      "form",
      { method: "dialog" },
      heading,
      make("p", {}, text),
      make("p", { className: "actions" }, cancel, go),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }),
  );
}
