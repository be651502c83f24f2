// How a chart is drawn: a line for the mean, a band for all it reached, bounds, and where the
// device was away.

import { locale } from "./text.js";
import uPlot from "./uplot.js";
import { number } from "./words.js";

export const HEIGHT = 206;

/**
 * @typedef {object} Options
 * @property {string} colour the name of the line's custom property
 * @property {string} sync charts of one key share their cursor
 * @property {() => (number | undefined)[]} bounds
 * @property {() => {from: number, to: number}[]} away ms
 * @property {() => void} selected a stretch was marked
 * @property {() => void} pointed the cursor has moved
 * @property {() => void} back double click
 */

/**
 * A custom property's colour as numbers: a canvas knows neither variables nor light-dark().
 * @param {Element} place
 * @param {string} name
 */
function resolved(place, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The same colour, less of it. @param {string} colour rgb() or rgba() @param {number} share */
function faded(colour, share) {
  const [red, green, blue] = colour.match(/[\d.]+/g) ?? ["0", "0", "0"];
  return `rgba(${red}, ${green}, ${blue}, ${share})`;
}

/** Charts share where the pointer is, not what it marks. @param {string} event */
const isPointing = (event) => event === "mousemove" || event === "mouseleave";

/** @param {HTMLElement} place @param {Options} options @returns {any} */
export function plotIn(place, options) {
  const [line, grid, text, away, bound] = [
    options.colour,
    "--grid",
    "--axis",
    "--away",
    "--bound",
  ].map((name) => resolved(place, name));
  const axis = {
    stroke: text,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  const hidden = { stroke: "transparent", points: { show: false } };
  return new uPlot(
    {
      width: Math.max(100, place.clientWidth),
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      fmtDate: formats,
      scales: { x: { time: true }, y: { range: rangeOf } },
      axes: [
        { ...axis, size: 46, space: 72 },
        {
          ...axis,
          size: 56,
          space: 36,
          values: (/** @type {any} */ _, /** @type {number[]} */ ticks) =>
            ticks.map((tick) => number(tick)),
        },
      ],
      series: [
        {},
        hidden,
        hidden,
        {
          stroke: line,
          width: 1.75,
          fill: (/** @type {any} */ plot) => fading(plot, line),
          points: { size: 4, fill: line },
        },
      ],
      bands: [{ series: [2, 1], fill: faded(line, 0.2) }],
      cursor: {
        y: false,
        sync: { key: options.sync, setSeries: false, filters: { pub: isPointing } },
        drag: { x: true, y: false, setScale: false },
        points: { size: 8 },
        bind: { dblclick: () => () => options.back() },
      },
      hooks: {
        setSelect: [options.selected],
        setCursor: [options.pointed],
        drawClear: [(/** @type {any} */ plot) => under(plot, options, away, bound)],
      },
    },
    [[], [], [], []],
    place,
  );
}

/**
 * What is below the line.
 * @param {any} plot
 * @param {Options} options
 * @param {string} away
 * @param {string} bound
 */
function under(plot, options, away, bound) {
  const { ctx, bbox } = plot,
    right = bbox.left + bbox.width;
  const x = (/** @type {number} */ ms) =>
    Math.min(right, Math.max(bbox.left, plot.valToPos(ms / 1000, "x", true)));
  ctx.save();
  ctx.fillStyle = away;
  for (const { from, to } of options.away())
    ctx.fillRect(x(from), bbox.top, x(to) - x(from), bbox.height);
  ctx.strokeStyle = bound;
  ctx.setLineDash([6, 4]);
  for (const value of options.bounds()) {
    const y = value === undefined ? NaN : plot.valToPos(value, "y", true);
    if (!(y >= bbox.top && y <= bbox.top + bbox.height)) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(right, y);
    ctx.stroke();
  }
  ctx.restore();
}

/**
 * Some air above and below; a flat line stands in the middle.
 * @param {any} _
 * @param {number | null} min
 * @param {number | null} max
 */
function rangeOf(_, min, max) {
  if (min === null || max === null) return [0, 1];
  if (min === 0 && max === 0) return [-0.1, 1];
  const air = max > min ? (max - min) * 0.08 : Math.abs(max) * 0.05 || 1;
  return [min - air, max + air];
}

/** The colour of the line, fading out below it. @param {any} plot @param {string} colour */
function fading({ ctx, bbox }, colour) {
  if (!Number.isFinite(bbox.top + bbox.height)) return "transparent";
  const gradient = ctx.createLinearGradient(0, bbox.top, 0, bbox.top + bbox.height);
  gradient.addColorStop(0, faded(colour, 0.24));
  gradient.addColorStop(1, faded(colour, 0));
  return gradient;
}

/**
 * uPlot's date formats in the page's language: it asks by its own templates, one a line.
 * @param {string} template
 */
function formats(template) {
  const lines = template
    .split("\n")
    .map((line) => new Intl.DateTimeFormat(locale(), partsOf(line)));
  return (/** @type {Date} */ date) => lines.map((line) => line.format(date)).join("\n");
}

/** @param {string} line @returns {Intl.DateTimeFormatOptions} */
function partsOf(line) {
  return {
    ...(/\{Y+\}/.test(line) && { year: "numeric" }),
    ...(/\{M+\}/.test(line) && { month: "short" }),
    ...(/\{D+\}/.test(line) && { day: "numeric" }),
    ...(/\{[hH]+\}/.test(line) && { hour: "2-digit", minute: "2-digit" }),
    ...(line.includes("{ss}") && { minute: "2-digit", second: "2-digit" }),
  };
}
