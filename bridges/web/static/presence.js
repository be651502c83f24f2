// Whether a device is there, in words.

import { t } from "./text.js";
import { when } from "./words.js";

/** @typedef {{online: boolean, since: number | null, reason?: string}} Presence */

/**
 * What a device's record says of it, until a frame tells more.
 * @param {DeviceRecord} record
 * @returns {Presence | null}
 */
export function recorded(record) {
  return record.online || record.last_seen ? { online: record.online === true, since: null } : null;
}

/** @param {Frame} frame of type presence @returns {Presence} */
export const told = ({ value, ts, reason }) => ({ online: value === "online", since: ts, reason });

/**
 * @param {Presence | null} presence
 * @param {DeviceRecord} record
 * @param {boolean} hasValues
 * @param {number} [now]
 */
export function standing(presence, record, hasValues, now) {
  if (presence?.since)
    return t(presence.online ? "presence.online-since" : "presence.offline-since", {
      time: when(presence.since, now),
    });
  if (presence?.online) return t("presence.online");
  if (record.last_seen) return t("presence.last-seen", { time: when(record.last_seen, now) });
  return t(hasValues ? "presence.unknown" : "presence.never");
}

/** @param {Presence | null} presence */
export const stateOf = (presence) =>
  presence ? (presence.online ? "online" : "offline") : "unknown";
