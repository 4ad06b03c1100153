// What the node says once a second, and how old that is. A number is fresh for three seconds, and never shown as fresh
// after; its age is measured by the node's own stamp, so that frames which waited in a buffer are as old as they are.

import { follow } from "./stream.js";

const FRESH_MS = 3000;
export const WINDOW_S = 900;
const SILENT_MS = 10_000;
/** Frames by which the node's clock is compared with ours. */
const COMPARED = 60;

/** Told with `change` after each frame, each turn of a phase, and once a second while the numbers grow older. */
export const live = new EventTarget();
/** `phase`: connecting, live, behind (open, but silent), lost. `frame` is the last one, or null. */
export const now = { phase: "connecting", why: "", frame: null, about: null, restartedMs: 0 };
/** The last 15 minutes: times in seconds, and values by name; null where the node knew none. */
export const past = { at: [], values: {}, step: 5 };

let connected = false;
let differences = [];
let drawn = "";

/** Milliseconds by which the node's clock is behind ours, at most. */
const difference = () => Math.min(...differences);
/** The node's clock, in ms. */
export const nodeMs = () => (differences.length ? Date.now() - difference() : Date.now());
/** Seconds since the last frame was made; null before the first. */
export const age = () => (now.frame ? Math.max(0, (nodeMs() - now.frame.at_ms) / 1000) : null);
export const fresh = () => now.phase === "live";

const change = () => live.dispatchEvent(new Event("change"));

function turn() {
  const old = !now.frame || age() * 1000 > FRESH_MS;
  if (!connected) now.phase = now.frame ? "lost" : "connecting";
  else if (old) now.phase = now.frame ? "behind" : "connecting";
  else now.phase = "live";
  const shown = `${now.phase} ${now.why} ${now.phase === "live" ? "" : Math.floor(age() ?? 0)}`;
  if (shown === drawn) return;
  drawn = shown;
  change();
}

function add(at, values) {
  if (past.at.length && at <= past.at.at(-1)) return;
  for (const name of Object.keys(values)) past.values[name] ??= past.at.map(() => null);
  past.at.push(at);
  for (const [name, column] of Object.entries(past.values)) column.push(values[name] ?? null);
  while (past.at[0] < at - WINDOW_S) {
    past.at.shift();
    for (const column of Object.values(past.values)) column.shift();
  }
}

function history(told) {
  const { instance, node, started_ms: started, now_ms: told_ms, at_ms: times, values, resumed, step_s: step } = told;
  const before = now.about;
  const same = before?.instance === instance;
  const restarted = before && !same && before.node === node && started >= (past.at.at(-1) ?? 0) * 1000;
  if (restarted) now.restartedMs = Date.now();
  if (!same) differences = [];
  if (!resumed && !restarted) Object.assign(past, { at: [], values: {} }); // the same node's time before is still true
  past.step = step;
  now.about = told;
  differences.push(Date.now() - told_ms);
  times.forEach((at, i) => {
    add(at / 1000, Object.fromEntries(Object.entries(values).map(([name, column]) => [name, column[i]])));
  });
}

function frame(told) {
  differences.push(Date.now() - told.at_ms);
  if (differences.length > COMPARED) differences.shift();
  now.frame = told;
  const at = told.at_ms / 1000;
  if (!past.at.length || at - past.at.at(-1) >= past.step - 0.5) add(at, told.values);
  drawn = "";
  turn();
}

/** Listen until `signal` aborts. */
export function listen(signal) {
  const beat = setInterval(turn, 1000);
  signal.addEventListener("abort", () => clearInterval(beat));
  document.addEventListener("visibilitychange", turn, { signal });
  follow(() => "v1/live", {
    events: { history, frame },
    opened: () => { connected = true; now.why = ""; turn(); },
    lost: (why) => { connected = false; now.why = why; turn(); },
    silent_ms: SILENT_MS,
    signal,
  });
}

/** Forget everything: another operator may sign in. */
export function forget() {
  Object.assign(now, { phase: "connecting", why: "", frame: null, about: null, restartedMs: 0 });
  Object.assign(past, { at: [], values: {} });
  connected = false;
  differences = [];
}

/** Call `draw` now and after each change, until `signal` aborts. */
export function watch(draw, signal) {
  live.addEventListener("change", draw, { signal });
  draw();
}
