// What the pages say, in the page's language. The words are in en.json, de.json and so on: one
// file a language.

/** @type {Record<string, string>} */
let words = {};
let language = "en";
let plural = new Intl.PluralRules("en");

/**
 * Speaks a language from now on.
 * @param {Record<string, string>} dictionary
 * @param {string} tongue
 */
export function speak(dictionary, tongue) {
  words = dictionary;
  language = tongue;
  plural = new Intl.PluralRules(tongue);
}

/**
 * The text of a key with its values filled in: `t("board.count", {count: 2})`. With a count,
 * "KEY.one" and
 * "KEY.other" are looked for first.
 * @param {string} key
 * @param {Record<string, any>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const form = "count" in values ? `${key}.${plural.select(values.count)}` : key;
  const text = words[form] ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) =>
    name in values ? String(values[name]) : whole,
  );
}

/** Whether there is a text of this key. @param {string} key */
export const has = (key) => key in words;

/** How dates and numbers are written: as the browser's user likes it, in the page's language. */
export function locale() {
  const liked = globalThis.navigator?.languages ?? [];
  return liked.find((each) => each.split("-")[0] === language) ?? language;
}
