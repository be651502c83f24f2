// Building pages. Data goes in as text and attributes, never as markup.

import { t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element: `make("p", {className: "muted"}, "text", child)`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, any>} [properties] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Makes an element of SVG.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** One of the icons of icons.svg. @param {string} name */
export const icon = (name) =>
  draw(
    "svg",
    { class: "icon", "aria-hidden": "true" },
    draw("use", { href: `/static/icons.svg#${name}` }),
  );

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/** @param {string} id */
export const formById = (id) => /** @type {HTMLFormElement} */ (byId(id));
/** @param {string} id */
export const inputById = (id) => /** @type {HTMLInputElement} */ (byId(id));

/**
 * Changes a text only where it differs: an unchanged node costs no layout.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Copies an element's text. Without TLS browsers have no clipboard API: the text is selected and
 * copied the old way.
 * @param {Element} element @param {HTMLElement} button
 */
export async function copy(element, button) {
  let done = false;
  if (navigator.clipboard) {
    done = await navigator.clipboard.writeText(element.textContent ?? "").then(
      () => true,
      () => false,
    );
  }
  if (!done) {
    const selection = getSelection();
    selection?.selectAllChildren(element);
    done = document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = t(done ? "copy.done" : "copy.selected");
  setTimeout(() => {
    button.textContent = label;
  }, 1500);
}

/**
 * A piece of code with its title and a button that copies it.
 * @param {string} title
 * @param {string} text
 */
export function snippet(title, text) {
  const pre = make("pre", { tabIndex: 0 }, text);
  const button = make("button", { type: "button", ariaLabel: `${t("copy")}: ${title}` }, t("copy"));
  button.addEventListener("click", () => copy(pre, button));
  return make(
    "section",
    { className: "snippet" },
    make("header", {}, make("h3", {}, title), button),
    pre,
  );
}
