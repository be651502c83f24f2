// "Latest" of a channel is the greatest `ts`, the greater `seq` among equals.

/** Whether a frame replaces what is shown. @param {Frame} frame @param {Frame | null} than */
export function newer(frame, than) {
  return than === null || frame.ts > than.ts || (frame.ts === than.ts && frame.seq >= than.seq);
}
