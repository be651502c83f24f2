// What a device can be told, from what it announces: switches, sliders, choices, each with the
// fate of what was sent.

import { commandForm } from "./command-form.js";
import { make } from "./dom.js";
import { t } from "./text.js";
import { number } from "./words.js";

/** @typedef {(name: string, value: Value, place: HTMLElement) => Promise<unknown>} Send */
/** @typedef {{element: HTMLElement, show: (value: Value) => void}} Control */

export class Controls {
  /** @type {Map<string, Control>} by the channel that shows what each sets */
  #byChannel = new Map();
  #send;
  #place;

  /** @param {HTMLElement} place @param {Send} send */
  constructor(place, send) {
    this.#place = place;
    this.#send = send;
  }

  /** @param {About | null | undefined} about */
  show(about) {
    const commands = Object.entries(about?.commands ?? {});
    this.#byChannel.clear();
    this.#place.replaceChildren(...commands.map(([name, command]) => this.#row(name, command)));
    const free = make(
      "details",
      { className: "free", open: commands.length === 0 },
      make("summary", {}, t("command.title")),
    );
    free.append(commandForm(this.#send));
    this.#place.append(free);
  }

  /** What it is now, told by its channel. @param {Frame} frame */
  take({ channel, value }) {
    this.#byChannel.get(channel)?.show(value);
  }

  /** @param {string} name @param {CommandAbout} command */
  #row(name, command) {
    const fate = make("output", { className: "fate" }),
      label = command.name ?? name;
    const control = (KINDS[command.type ?? "button"] ?? KINDS.button)(command, label, (value) =>
      this.#send(name, value, fate),
    );
    if (command.channel) this.#byChannel.set(command.channel, control);
    return make(
      "div",
      { className: "control" },
      make("span", { className: "label" }, label),
      control.element,
      fate,
    );
  }
}

/**
 * @type {Record<string, (command: CommandAbout, label: string, send: (value: Value) => unknown) =>
 * Control>}
 */
const KINDS = {
  boolean(_, label, send) {
    const button = make(
      "button",
      {
        type: "button",
        role: "switch",
        className: "switch",
        "aria-checked": "false",
        ariaLabel: label,
      },
      make("span", {}),
    );
    button.addEventListener("click", () => send(button.getAttribute("aria-checked") !== "true"));
    return {
      element: button,
      show: (value) => button.setAttribute("aria-checked", String(isOn(value))),
    };
  },
  number({ min, max, step, unit }, label, send) {
    const slides = min !== undefined && max !== undefined;
    const input = make("input", {
      type: slides ? "range" : "number",
      min: min ?? "",
      max: max ?? "",
      step: step ?? "any",
      ariaLabel: label,
    });
    const shown = make("output", { className: "is" });
    const say = () => {
      shown.value =
        input.value === "" ? "" : `${number(Number(input.value))}${unit ? ` ${unit}` : ""}`;
    };
    input.addEventListener("input", say);
    input.addEventListener("change", () => {
      if (input.value !== "") send(Number(input.value));
    });
    say();
    return {
      element: make("span", { className: "slider" }, input, shown),
      show: (value) => {
        if (document.activeElement !== input) {
          input.value = String(value);
          say();
        }
      },
    };
  },
  choice({ options = [] }, label, send) {
    const select = make(
      "select",
      { ariaLabel: label },
      make("option", { value: "" }, t("control.choose")),
      ...options.map((each) => make("option", { value: each }, each)),
    );
    select.addEventListener("change", () => {
      if (select.value) send(select.value);
    });
    return {
      element: select,
      show: (value) => {
        select.value = String(value);
      },
    };
  },
  text({ max }, label, send) {
    const input = make("input", { maxLength: max ?? 1000, ariaLabel: label }),
      button = make("button", {}, t("command.send"));
    const form = make("form", { className: "say" }, input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(input.value);
    });
    return {
      element: form,
      show: (value) => {
        if (document.activeElement !== input) input.value = String(value);
      },
    };
  },
  button(_, label, send) {
    const button = make("button", { type: "button", ariaLabel: label }, t("control.do"));
    button.addEventListener("click", () => send(null));
    return { element: button, show: () => {} };
  },
};

/** @param {Value} value */
export const isOn = (value) =>
  value === true || value === 1 || (typeof value === "string" && /^(on|true|1)$/i.test(value));
