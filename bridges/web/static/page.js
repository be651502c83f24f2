// What every page has: its menu, theme and language, buttons that copy and close, and where it
// says what went wrong.

import { sentence } from "./api.js";
import { byId, copy, inputById } from "./dom.js";
import { dialogById, open } from "./dialogs.js";

const YEAR = 31_536_000; // s

/** Sets the page up. */
export function begin() {
  for (const button of all("[data-close]"))
    button.addEventListener("click", () => button.closest("dialog")?.close());
  for (const button of all("[data-open]"))
    button.addEventListener("click", () => open(String(button.dataset.open)));
  for (const button of all("[data-copy]"))
    button.addEventListener("click", () => copy(byId(String(button.dataset.copy)), button));
  if (location.hash.length > 1 && dialogById(location.hash.slice(1)) instanceof HTMLDialogElement)
    open(location.hash.slice(1));
  menu();
  appearance();
}

/** @param {string} selector @returns {NodeListOf<HTMLElement>} */
const all = (selector) => document.querySelectorAll(selector);

/** On a narrow screen the menu is behind a button. */
function menu() {
  const button = byId("menu");
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(shown));
    document.body.classList.toggle("menu-open", shown);
  });
}

function appearance() {
  const theme = inputById("theme"),
    language = inputById("language");
  theme.value = document.documentElement.dataset.theme ?? "system";
  theme.addEventListener("change", () => {
    localStorage.setItem("theme", theme.value);
    if (theme.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    dispatchEvent(new Event("themechange"));
  });
  language.value = document.documentElement.lang;
  language.addEventListener("change", () => {
    document.cookie = `language=${language.value}; Path=/; SameSite=Lax; Max-Age=${YEAR}`;
    location.reload();
  });
}

/**
 * Does something; what goes wrong is said at the top of the page.
 * @param {() => Promise<unknown>} work
 */
export async function attempt(work) {
  try {
    await work();
    byId("problem").hidden = true;
    return true;
  } catch (error) {
    byId("problem").textContent = sentence(error);
    byId("problem").hidden = false;
    return false;
  }
}
