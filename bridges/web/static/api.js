// Requests to the gateway's API. `ask` gives the answer's JSON or throws a `Problem`.

import { parse, stringify } from "./exact.js";
import { t } from "./text.js";

const PATIENCE = 20_000; // ms

export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{detail?: string, code?: string, fields?: Record<string, string>}} [told]
   */
  constructor(status, { detail, code, fields } = {}) {
    super(detail || t("problem.status", { status }));
    this.status = status;
    this.code = code;
    this.fields = fields || {};
  }
}

/**
 * Asks the API. Whoever is no longer signed in is led to the sign-in, unless the question is
 * `open` to strangers.
 * @param {string} method @param {string} path under /api/v1 @param {any} [body]
 * @param {{open?: boolean, headers?: Record<string, string>}} [options]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body, { open = false, headers = {} } = {}) {
  const answer = await fetchOrComplain(`/api/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: body === undefined ? undefined : stringify(body),
    signal: AbortSignal.timeout?.(PATIENCE),
  });
  const json = answer.headers.get("Content-Type")?.includes("json")
    ? parse(await answer.text())
    : {};
  if (answer.ok) return json;
  if (answer.status === 401 && !open) location.assign("/sign-in");
  throw new Problem(answer.status, json);
}

/** @param {string} path @param {RequestInit} request */
async function fetchOrComplain(path, request) {
  try {
    return await fetch(path, request);
  } catch {
    throw new Problem(0, { detail: t("problem.away") });
  }
}

/** Where one device is in the API. @param {string} id @param {string} [more] */
export const deviceUrl = (id, more = "") => `/devices/${encodeURIComponent(id)}${more}`;

/** The API's words as a sentence. @param {any} error */
export function sentence(error) {
  const text = String(error.message ?? error).trim();
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
