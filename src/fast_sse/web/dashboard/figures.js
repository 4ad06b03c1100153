// The figures of the overview: which numbers each shows, how they are written, and when one asks to be looked at.

import { bytes, count, rate, took } from "./format.js";

const level = (name, label = "") => ({ label, lines: [name], value: ({ values }) => values[name], format: count });
const perSecond = (name) => ({ label: "", lines: [name], value: ({ values }) => values[name], format: rate });

/** How many in the window, from the rates of its steps. */
const inWindow = (name, label) => ({
  label,
  lines: [name],
  value: (_frame, { values, step }) => {
    const known = (values[name] ?? []).filter((value) => value !== null);
    return known.length ? Math.round(known.reduce((sum, value) => sum + value, 0) * step) : undefined;
  },
  format: (number) => count(number),
  look: (number) => number > 0,
});

/** Three quantiles over the last 15 minutes; the chart has those of each step. */
const spread = (name) => ["p50", "p95", "p99"].map((quantile) => ({
  label: quantile,
  lines: [`${name}_${quantile}`],
  value: (frame) => frame.spread[name]?.[quantile],
  format: took,
}));

/** Each is `{title, about, parts, wide, chart}`: `chart` writes the values on the lines where that differs. */
export const FIGURES = [
  { title: "Published", about: "messages stored", parts: [perSecond("published")] },
  { title: "Delivered", about: "messages written to sockets", parts: [perSecond("delivered")] },
  { title: "Replayed", about: "of the delivered, from the log", parts: [perSecond("replayed")] },
  { title: "Open streams", about: "", parts: [level("streams")] },
  { title: "Publish to flushed, 15 min", about: "", parts: spread("flushed"), wide: true },
  { title: "Commit, 15 min", about: "", parts: spread("commit"), wide: true },
  { title: "Fell behind, evicted", about: "in 15 min", parts: [inWindow("fell_behind", "behind"), inWindow("evicted", "evicted")], chart: rate },
  { title: "Letters", about: "", parts: [level("waiting", "waiting"), { ...level("dead_letters", "dead"), look: (n) => n > 0, page: "dead-letters" }] },
  { title: "Ingest lag", about: "entries in foreign queues", parts: [level("ingest_lag")] },
  { title: "Memory", about: "", parts: [{ label: "", lines: ["memory"], value: ({ values }) => values.memory, format: bytes }] },
  { title: "Loop lag, 15 min", about: "", parts: spread("loop_lag"), wide: true },
  { title: "Replay page, 15 min", about: "", parts: spread("replay_page"), wide: true },
];
