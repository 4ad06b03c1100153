// The figures of the overview: which numbers each shows, how they are written, and when one asks to be looked at.

import { bytes, count, rate, took } from "./format.js";

const level = (name, label = "") => ({ label, lines: [name], value: ({ values }) => values[name], format: count });
const perSecond = (name) => ({ label: "", lines: [name], value: ({ values }) => values[name], format: rate });

/** How many there were in the last 15 minutes, from the rates of the steps; a hole counts as nothing. */
function total({ at, values, step }, name) {
  const rates = values[name] ?? [];
  if (!rates.some((each) => each !== null)) return undefined;
  return Math.round(rates.reduce((sum, each, i) => sum + (each ?? 0) * Math.min(2.5 * step, at[i] - (at[i - 1] ?? at[i] - step)), 0));
}

const inWindow = (name, label) => ({
  label,
  lines: [name],
  value: (_frame, past) => total(past, name),
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
  { title: "Published", about: "stored", parts: [perSecond("published")] },
  { title: "Delivered", about: "to sockets", parts: [perSecond("delivered")] },
  { title: "Replayed", about: "from the log", parts: [perSecond("replayed")] },
  { title: "Streams", about: "open now", parts: [level("streams")] },
  { title: "Latency", about: "from publish to socket, 15 min", parts: spread("flushed"), wide: true },
  { title: "Commit", about: "time in the store, 15 min", parts: spread("commit"), wide: true },
  { title: "Slow", about: "in 15 min", parts: [inWindow("fell_behind", "behind"), inWindow("evicted", "evicted")], chart: rate },
  { title: "Dead letters", about: "now", parts: [level("waiting", "waiting"), { ...level("dead_letters", "dead"), look: (n) => n > 0, page: "dead-letters" }] },
  { title: "Ingest lag", about: "entries still to read", parts: [level("ingest_lag")] },
  { title: "Memory", about: "resident", parts: [{ label: "", lines: ["memory"], value: ({ values }) => values.memory, format: bytes }] },
  { title: "Loop lag", about: "how late the event loop is, 15 min", parts: spread("loop_lag"), wide: true },
  { title: "Replay page", about: "one read of the log, 15 min", parts: spread("replay_page"), wide: true },
];
