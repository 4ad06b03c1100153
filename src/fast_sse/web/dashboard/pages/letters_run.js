// Many letters, in calls that each do a bounded part: so pace, progress and stop are here, as in `fast-sse dlq`.

import { ask as request, explained } from "../api.js";
import { open } from "../dialogs.js";
import { button, el, field, say } from "../dom.js";
import { count, plural } from "../format.js";
import { REPLAY_TO, replayBody } from "./letter.js";

const RATE = 100;
const FAILED_SHOWN = 5;
const PURGE_PAGE = 500;
const described = (filter) => {
  const words = Object.entries(filter).map(([name, value]) => `${name.replace("_", " ")} ${/^\d{12,}$/.test(value) ? new Date(Number(value)).toLocaleString() : value}`);
  return words.length ? `All dead letters with ${words.join(", ")}` : "All dead letters";
};

/** Wait, unless it is stopped before. */
const pause = (ms, stop) => new Promise((done) => {
  if (stop.aborted) done();
  const timer = setTimeout(done, ms);
  stop.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

/**
 * The dialog of a run. `step(values, cursor)` does one call and returns `{next, letters}`, and changes `counts`, which are
 * shown by name; `most` is how many letters a call takes, for the pace.
 */
function run({ title, filter, words, controls, yes, kind, prepare, step, counts, done, signal }) {
  let stop = new AbortController();
  let running = false;
  let touched = false;
  const { body, close, node } = open(title, { signal, onClose: () => { stop.abort(); if (touched) done(); } });
  const bar = el("progress", { "aria-label": "Progress", hidden: true });
  const state = el("p", { role: "status" });
  const trouble = el("div", { role: "alert" });
  const go = el("button", { class: kind }, yes);
  const halt = button("Stop", () => stop.abort(), { hidden: true });
  const out = button("Close", close);
  const told = () => Object.entries(counts).filter(([name, number]) => number || name === Object.keys(counts)[0]).map(([name, number]) => `${count(number).value} ${name}`).join(", ");
  node.addEventListener("cancel", (event) => { if (running) event.preventDefault(); }); // Escape does not leave a run unseen

  async function work(event) {
    event.preventDefault();
    trouble.replaceChildren();
    stop = new AbortController();
    let cursor = "";
    let values;
    try {
      values = prepare();
      running = touched = true;
      bar.hidden = halt.hidden = false;
      go.hidden = out.disabled = true;
      halt.focus();
      while (cursor !== null && !stop.signal.aborted) {
        const began = Date.now();
        const { next, letters } = await step(values, cursor);
        cursor = next;
        say(state, `${told()} so far.`);
        if (cursor !== null && values.rate) await pause(Math.max(0, (letters * 1000) / values.rate - (Date.now() - began)), stop.signal);
      }
      say(state, cursor === null ? `Done: ${told()}.` : `Stopped: ${told()}. The rest is unchanged. Start again to go on.`);
    } catch (error) {
      trouble.append(el("p", { class: "word act" }, explained(error), touched ? ` Until then: ${told()}. Start again to go on.` : null));
    }
    running = false;
    bar.hidden = halt.hidden = true;
    go.hidden = cursor === null;
    out.disabled = false;
    out.focus();
  }
  body.append(el("form", { class: "loaded", on: { submit: work } },
    el("p", {}, el("strong", {}, `${described(filter)}. `), words), controls, bar, state, trouble,
    el("div", { class: "row end" }, halt, out, go)));
}

/** Replay what a filter finds, the oldest first. */
export function replayMany({ filter, done, signal }) {
  const rate = el("input", { type: "number", min: "0", max: "100000", value: RATE, required: true });
  const to = el("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  const counts = { replayed: 0, failed: 0, gone: 0 };
  const failed = el("ul", { class: "note" });
  run({
    title: "Replay dead letters",
    filter,
    words: "Each message is published again, the oldest first, and its dead letter is removed. Dead letters that are made meanwhile stay.",
    controls: [el("div", { class: "fields" }, field("Dead letters a second, 0 for no limit", rate), field(REPLAY_TO.label, to, REPLAY_TO.hint)), failed],
    yes: "Replay",
    kind: "main",
    prepare: () => ({ rate: Number(rate.value), body: replayBody(to.value) }),
    step: async ({ rate: each, body }, cursor) => {
      const limit = each ? Math.max(1, Math.min(RATE, Math.floor(each))) : RATE;
      const came = await request("POST", "v1/dead-letters/replay", { fields: { ...filter, limit, cursor }, body });
      counts.replayed += came.replayed;
      counts.failed += came.failed.length;
      counts.gone += came.gone;
      for (const { id, message } of came.failed) if (failed.children.length < FAILED_SHOWN) failed.append(el("li", {}, el("code", {}, id), ` stays: ${message}`));
      return { next: came.next, letters: came.replayed + came.failed.length };
    },
    counts, done, signal,
  });
}

/** Remove what a filter finds. */
export function purgeMany({ filter, done, signal }) {
  const counts = { purged: 0 };
  const chosen = Object.keys(filter).length ? filter : { all: "true" };
  run({
    title: "Purge dead letters",
    filter,
    words: "Each dead letter is removed for good, and nothing is published. Dead letters that are made meanwhile stay.",
    controls: [],
    yes: "Purge them",
    kind: "danger",
    prepare: () => ({ rate: 0 }),
    step: async (_values, cursor) => {
      const { purged, next } = await request("DELETE", "v1/dead-letters", { fields: { ...chosen, limit: PURGE_PAGE, cursor } });
      counts.purged += purged;
      return { next, letters: purged };
    },
    counts, done, signal,
  });
}
