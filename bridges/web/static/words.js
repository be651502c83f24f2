// Times and values, as people read them.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const year = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 7, useGrouping: false });

/** "14:02" today, "3 Nov, 14:02" this year, else the date. */
export function when(ms, now = Date.now()) {
  const then = new Date(ms), today = new Date(now);
  if (then.toDateString() === today.toDateString()) return clock.format(then);
  return (then.getFullYear() === today.getFullYear() ? day : year).format(then);
}

export const date = (ms) => year.format(ms);
export const exactly = (ms) => full.format(ms);

/** How long ago, in one unit; empty if within the last minute. */
export function ago(ms, now = Date.now()) {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return "";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** A value in one line. */
export function shown(value) {
  if (typeof value === "number") return number.format(value);
  if (typeof value === "string") return value.length > 200 ? `${value.slice(0, 200)}…` : value || "“”";
  if (value && typeof value === "object" && typeof value.base64 === "string" && Object.keys(value).length === 1) {
    return `${Math.floor((value.base64.replace(/=+$/, "").length * 3) / 4)} bytes`;
  }
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** What somebody typed as a value: JSON where it is, else text. */
export function typed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text === "" ? null : text;
  }
}
