// Lists that stay in order while things are added.

/**
 * Where an item goes in a list that is in order.
 * @template T
 * @param {T[]} sorted @param {T} item @param {(a: T, b: T) => number} compare
 */
export function placeOf(sorted, item, compare) {
  let low = 0,
    high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle], item) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
