// Times and values, as people read them.

import { parse, stringify } from "./exact.js";
import { locale, t } from "./text.js";

const MINUTE = 60_000,
  HOUR = 3_600_000,
  DAY = 86_400_000; // ms
const CUT = 200; // characters of a value on the board

/** @type {Map<string, Intl.DateTimeFormat | Intl.NumberFormat>} */
const formats = new Map();

/** A format of the page's language, made once. @param {any} kind @param {object} options */
function format(kind, options) {
  const key = `${kind.name} ${locale()} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new kind(locale(), options)));
  return /** @type {any} */ (found);
}

/** @param {Intl.DateTimeFormatOptions} options @param {number} ms @returns {string} */
const moment = (options, ms) => format(Intl.DateTimeFormat, options).format(ms);

/** "14:02" today, "3 Nov, 14:02" this year, else the date. @param {number} ms */
export function when(ms, now = Date.now()) {
  const then = new Date(ms),
    today = new Date(now);
  if (then.toDateString() === today.toDateString())
    return moment({ hour: "2-digit", minute: "2-digit" }, ms);
  if (then.getFullYear() !== today.getFullYear()) return date(ms);
  return moment({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }, ms);
}

/** @param {number} ms */
export const date = (ms) => moment({ day: "numeric", month: "short", year: "numeric" }, ms);
/** @param {number} ms */
export const exactly = (ms) => moment({ dateStyle: "medium", timeStyle: "medium" }, ms);
/** @param {number} ms */
export const clock = (ms) => moment({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, ms);

/** How long ago, in one unit; empty within the last minute. @param {number} ms */
export function ago(ms, now = Date.now()) {
  const passed = Math.max(0, now - ms);
  if (passed < MINUTE) return "";
  const [unit, length] =
    passed < HOUR ? ["minute", MINUTE] : passed < DAY ? ["hour", HOUR] : ["day", DAY];
  const relative = format(Intl.RelativeTimeFormat, { style: "short", numeric: "always" });
  return relative.format(-Math.floor(passed / Number(length)), unit);
}

/** A size in bytes. @param {number} bytes */
export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let place = 0;
  for (; bytes >= 1000 && place < units.length - 1; place += 1) bytes /= 1000;
  return format(Intl.NumberFormat, {
    style: "unit",
    unit: units[place],
    maximumFractionDigits: place ? 1 : 0,
  }).format(bytes);
}

/** A count with its groups: 12,345. @param {number} value */
export const counted = (value) =>
  format(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(value);

/**
 * A number as it was sent. Integers are exact; fractions have at most six digits after the point,
 * or `digits`
 * where the device says how many it means. The whole value stands in the tooltip.
 * @param {number | bigint} value @param {number} [digits]
 */
export function number(value, digits) {
  if (typeof value === "bigint" || (Number.isInteger(value) && digits === undefined)) {
    return Math.abs(Number(value)) < 1e21 ? String(BigInt(value)) : String(value);
  }
  const far = Math.abs(value);
  if (far !== 0 && (far >= 1e15 || far < 1e-6)) return String(value);
  const shape =
    digits === undefined
      ? { maximumFractionDigits: far < 0.01 ? 8 : 6 }
      : { minimumFractionDigits: clamp(digits), maximumFractionDigits: clamp(digits) };
  return format(Intl.NumberFormat, { ...shape, useGrouping: false }).format(value);
}

/** @param {number} digits */
const clamp = (digits) => Math.min(20, Math.max(0, Math.round(digits) || 0));

/** A value in one line. @param {Value} value @param {ChannelAbout} [about] */
export function shown(value, about) {
  if (typeof value === "number" || typeof value === "bigint") return number(value, about?.digits);
  if (typeof value === "string") return cut(value) || "“”";
  if (isBytes(value)) return t("value.bytes", { count: bytesIn(value.base64) });
  if (typeof value === "boolean") return t(value ? "value.true" : "value.false");
  return cut(stringify(value));
}

/** All of a value, for a tooltip or a page of its own. @param {Value} value */
export function whole(value) {
  return typeof value === "string" ? value : stringify(value);
}

/** @param {string} text */
function cut(text) {
  const signs = text.length > CUT ? [...text.slice(0, CUT * 2)] : null;
  return signs && signs.length > CUT ? `${signs.slice(0, CUT).join("")}…` : text;
}

/** @param {Value} value @returns {value is {base64: string}} */
function isBytes(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof value.base64 === "string" &&
    Object.keys(value).length === 1
  );
}

/** @param {string} base64 */
const bytesIn = (base64) => Math.floor((base64.replace(/=+$/, "").length * 3) / 4);

/**
 * What somebody typed as a value: JSON where it is, else text.
 * @param {string} text
 * @returns {Value}
 */
export function typed(text) {
  try {
    return parse(text);
  } catch {
    return text === "" ? null : text;
  }
}

/** Names as people sort them: s2 before s10. @param {string} a @param {string} b */
export const byName = (a, b) => a.localeCompare(b, undefined, { numeric: true });
