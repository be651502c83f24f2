// JSON whose numbers stay as they were sent: integers that a double cannot hold become a BigInt.

const LONG = /\d{16}/;

/** @param {string} text @returns {any} */
export function parse(text) {
  return LONG.test(text) ? JSON.parse(text, /** @type {any} */ (whole)) : JSON.parse(text);
}

/**
 * @param {string} _
 * @param {any} value
 * @param {{source?: string}} [context] what the browser read, where it says so
 */
function whole(_, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || !source) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** JSON as it came, BigInts too. @param {any} value @param {number} [indent] */
export function stringify(value, indent) {
  const raw = /** @type {any} */ (JSON).rawJSON ?? String;
  return (
    JSON.stringify(
      value,
      (_, each) => (typeof each === "bigint" ? raw(String(each)) : each),
      indent,
    ) ?? "null"
  );
}
