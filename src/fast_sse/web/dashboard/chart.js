// The last 15 minutes as one small line or a few: no axes, no grid; the highest value is written at its height, and a
// pointer reads the same moment on every chart. Where the node knew nothing there is a hole and never a line across it.

import uPlot from "./vendor/uPlot.esm.js";
import { el, say } from "./dom.js";
import { moment, text } from "./format.js";
import { WINDOW_S } from "./live.js";

const HEIGHT = 64;
/** Above the highest value, where it is written. */
const ABOVE = 16;
/** How strong each line is, in percent: of several the first is the one that most see. */
const STRONG = [100, 60, 35];
const alive = new Set();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faded = (percent) => `color-mix(in srgb, ${colour("--accent")} ${percent}%, transparent)`;
// A canvas does not follow a change of day and night by itself.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const plot of alive) plot.redraw(); });

/** Columns for uPlot: [times, …series]; a hole of more than two steps becomes nulls. */
export function columns(at, series, step) {
  const made = [[], ...series.map(() => [])];
  at.forEach((time, i) => {
    if (i && time - at[i - 1] > 2.5 * step) {
      made[0].push((time + at[i - 1]) / 2);
      series.forEach((_, n) => made[n + 1].push(null));
    }
    made[0].push(time);
    series.forEach((column, n) => made[n + 1].push(column?.[i] ?? null));
  });
  return made;
}

const largest = (data) => data.slice(1).flat().reduce((most, value) => Math.max(most, value ?? 0), 0);

/** Said instead of the picture. */
function summary(name, shown, format) {
  const known = shown.filter((value) => value !== null);
  if (!known.length) return `${name}: no numbers in the last 15 minutes`;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return `${name}, last 15 minutes: from ${text(format(least))} to ${text(format(most))}`;
}

/**
 * A chart of `lines` lines: `{node, update(at, series, step, nowS)}`. `format` makes `{value, unit}` of a number;
 * `labels` names the lines where there are several. It is gone when `signal` aborts.
 */
export function chart(name, { labels = [""], format, signal }) {
  const most = el("span", { class: "most", "aria-hidden": "true" });
  const read = el("span", { class: "read", "aria-hidden": "true", hidden: true });
  const node = el("div", { class: "chart", role: "img", "aria-label": name }, most, read);
  let plot = null;
  let end = 0;
  let top = 1;

  const reading = (self) => {
    const at = self.cursor.idx;
    const known = at !== null && at !== undefined && self.data.slice(1).some((column) => column[at] !== null);
    read.hidden = !known;
    if (!known) return;
    const values = labels.map((label, n) => `${label} ${text(format(self.data[n + 1][at] ?? undefined))}`.trim());
    say(read, `${moment(self.data[0][at] * 1000)}  ${values.join("  ")}`);
  };
  const series = labels.map((_, n) => ({
    stroke: () => faded(STRONG[n]),
    fill: n || labels.length > 1 ? undefined : () => faded(12),
    width: 1.5,
    points: { show: false },
  }));
  const make = () => new uPlot({
    width: node.clientWidth,
    height: HEIGHT,
    pxAlign: 1,
    padding: [ABOVE, 0, 1, 0],
    legend: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: { x: { time: false, range: () => [end - WINDOW_S, end] }, y: { range: () => [0, top] } },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "past" } },
    series: [{}, ...series],
    hooks: { setCursor: [reading] },
  }, [[], ...labels.map(() => [])], node);

  const sized = new ResizeObserver(() => {
    if (node.clientWidth === 0) return;
    if (plot) plot.setSize({ width: node.clientWidth, height: HEIGHT });
  });
  sized.observe(node);
  signal.addEventListener("abort", () => {
    sized.disconnect();
    alive.delete(plot);
    plot?.destroy();
  });

  function update(at, shown, step, nowS) {
    if (!plot) {
      if (node.clientWidth === 0) return;
      plot = make();
      alive.add(plot);
    }
    const data = columns(at, shown, step);
    const highest = largest(data);
    end = nowS;
    top = highest || 1;
    plot.setData(data);
    say(most, highest ? text(format(highest)) : "");
    node.setAttribute("aria-label", summary(name, shown.flat(), format));
  }
  return { node, update };
}
