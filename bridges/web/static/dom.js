// Building pages. Data goes in as text and attributes, never as markup.

/** Makes an element: `make("p", {className: "muted"}, "text", child)`. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Marks where one is, closes dialogs by their buttons, copies by theirs. */
export function furnish() {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(byId(button.dataset.copy), button));
  }
}

/** Copies an element's text. Without TLS browsers have no clipboard API: the text is selected and copied the old way. */
export async function copy(element, button) {
  let done = false;
  if (navigator.clipboard) {
    done = await navigator.clipboard.writeText(element.textContent).then(() => true, () => false);
  }
  if (!done) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    done = document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = done ? "Copied" : "Selected";
  setTimeout(() => { button.textContent = label; }, 1500);
}

/** A piece of code with its title and a button that copies it. */
export function snippet(title, text) {
  const pre = make("pre", { tabIndex: 0 }, text);
  const button = make("button", { type: "button", ariaLabel: `Copy: ${title}` }, "Copy");
  button.addEventListener("click", () => copy(pre, button));
  return make("section", { className: "snippet" }, make("header", {}, make("h3", {}, title), button), pre);
}

/** Asks before something that cannot be undone; whoever confirms runs `work`. */
export function confirm(title, text, label, work) {
  const dialog = byId("sure");
  byId("sure-title").textContent = title;
  byId("sure-text").textContent = text;
  byId("sure-do").textContent = label;
  dialog.querySelector(".wrong").hidden = true;
  dialog.querySelector("form").work = work;
  dialog.showModal();
}
