// How a chart is moved: the wheel, a pan with shift or one finger, a pinch with two.

/** @typedef {import("./time-window.js").TimeWindow} TimeWindow */

/**
 * The wheel zooms at the pointer; shift and drag, or one finger, pan; two fingers zoom.
 * @param {any} plot
 * @param {TimeWindow} window
 * @param {() => void} moved
 */
export function gestures(plot, window, moved) {
  const at = (/** @type {number} */ x) =>
    plot.posToVal(x - plot.over.getBoundingClientRect().left, "x") * 1000;
  const perPixel = () => window.span / plot.over.clientWidth;
  /** @type {Map<number, number>} */
  const fingers = new Map();
  plot.over.addEventListener(
    "wheel",
    (/** @type {WheelEvent} */ event) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaY) < Math.abs(event.deltaX))
        return;
      event.preventDefault();
      window.zoom(at(event.clientX), event.deltaY < 0 ? 0.8 : 1.25);
      moved();
    },
    { passive: false },
  );
  plot.over.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.pointerType === "mouse" && !event.shiftKey) return;
    fingers.set(event.pointerId, event.clientX);
    plot.over.setPointerCapture(event.pointerId);
  });
  plot.over.addEventListener(
    "mousedown",
    (/** @type {MouseEvent} */ event) => {
      if (event.shiftKey || fingers.size > 0) event.stopImmediatePropagation();
    },
    true,
  );
  plot.over.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) return;
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) window.pan((before - event.clientX) * perPixel());
    else
      window.zoom(
        at((other + event.clientX) / 2),
        Math.max(1, Math.abs(other - before)) / Math.max(1, Math.abs(other - event.clientX)),
      );
    fingers.set(event.pointerId, event.clientX);
    moved();
  });
  for (const end of ["pointerup", "pointercancel"])
    plot.over.addEventListener(end, (/** @type {PointerEvent} */ event) =>
      fingers.delete(event.pointerId),
    );
}
