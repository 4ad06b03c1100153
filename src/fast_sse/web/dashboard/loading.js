// What is asked for, and when it was: loading, there, empty, refused or no longer fresh. Never a blank, never an old
// number without its age.

import { explained } from "./api.js";
import { button, el, say } from "./dom.js";
import { moment } from "./format.js";
import { live, now } from "./live.js";

/** Words about a state; `kind` is empty, `quiet`, `look` or `act`. */
export const word = (kind, ...children) => el("p", { class: `word ${kind}` }, ...children);

/**
 * A part of a page that is loaded: `{node, asof, refresh}`. `render(data)` returns nodes, or draws into its own and returns
 * the same ones again. With `every_ms` it is loaded again while it can be seen; a failure keeps what is there, in grey.
 */
export function loaded({ load, render, every_ms: every = 0, signal }) {
  const asof = el("span", { class: "asof" });
  const body = el("div", { class: "loaded" }, word("quiet", "Loading…"));
  const trouble = el("div", { role: "alert" });
  const node = el("div", { class: "loaded" }, trouble, body);
  let timer = 0;
  let turn = 0;
  let at = 0;

  async function refresh() {
    clearTimeout(timer);
    turn += 1;
    const mine = turn;
    try {
      const data = await load(signal);
      if (mine !== turn || signal.aborted) return;
      at = Date.now();
      trouble.replaceChildren();
      node.classList.remove("stale");
      const made = render(data);
      if (body.childNodes.length !== made.length || made.some((child, i) => body.childNodes[i] !== child)) body.replaceChildren(...made);
      say(asof, `as of ${moment(at)}`);
    } catch (error) {
      if (mine !== turn || signal.aborted || error.name === "AbortError") return;
      failed(error);
    }
    if (every && !signal.aborted) timer = setTimeout(refresh, every);
  }
  function failed(error) {
    const again = every ? null : button("Try again", refresh, { kind: "small" });
    trouble.replaceChildren(word("act", explained(error), " ", again));
    if (at) {
      node.classList.add("stale");
      say(asof, `as of ${moment(at)}, not refreshed since`);
    } else {
      body.replaceChildren();
    }
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  // A node that came back is asked at once, and not at the end of a pause.
  let phase = now.phase;
  live.addEventListener("change", () => {
    const back = phase !== "live" && now.phase === "live";
    phase = now.phase;
    if (back && (node.classList.contains("stale") || trouble.hasChildNodes())) refresh();
  }, { signal });
  refresh();
  return { node, asof, refresh };
}
