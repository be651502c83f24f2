// What to do about a message that was rejected.

import { t } from "./text.js";

/** By what the reason says. @type {[RegExp, string][]} */
const REMEDIES = [
  [/json/i, "json"],
  [/no device id|device id/i, "id"],
  [/\bts\b|ahead|time/i, "time"],
  [/large|long|size/i, "size"],
  [/route|topic|channel/i, "topic"],
];

/** Advice in plain words, or nothing. @param {string} reason @param {string} topic */
export function remedy(reason, topic) {
  const found = REMEDIES.find(([pattern]) => pattern.test(reason));
  return found ? t(`remedy.${found[1]}`, { topic }) : "";
}
