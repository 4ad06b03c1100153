// The hub as the page sees it: its addresses, which process it is, and its end.

import { $, facts, guide, sleep } from "./dom.js";
import * as words from "./words.js";

const ASK_MS = 400;

const segment = (text) => encodeURIComponent(text).replaceAll("%2A", "*");
export const publishPath = (to) => `v1/sse/events/${segment(to.id)}/types/${segment(to.type)}`;
export const subscribePath = (to) => `v1/subscribe/events/${segment(to.id)}/types/${segment(to.type)}`;
export const streamUrl = (channel, cursor) =>
  `${subscribePath(channel)}?${new URLSearchParams({ signature: channel.signature, last_event_id: cursor })}`;

/** The hub's rule: each of the two halves is equal, or is * on either side. */
export function matches(record, pattern) {
  const half = (one, other) => one === other || one === "*" || other === "*";
  return half(record.id, pattern.id) && half(record.type, pattern.type);
}

/**
 * Where the log is now, or null when the hub refuses. EventSource keeps the id that opens a stream to itself, so it is
 * read from a stream that is left at once.
 */
export async function newestCursor(channel) {
  const leave = new AbortController();
  const answer = await fetch(streamUrl(channel, ""), { headers: { Accept: "text/event-stream" }, signal: leave.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    if (answer.status >= 400 && answer.status < 500) return null;
    for (let text = ""; answer.ok; ) {
      const { value, done } = await reader.read();
      text += value ?? "";
      const found = /^id: ?(.+)\n/m.exec(text);
      if (found) return found[1];
      if (done) break;
    }
    throw new Error(`no cursor, status ${answer.status}`);
  } finally {
    leave.abort();
  }
}

let pid = 0;
let watching = false;

function show(state, text) {
  $("hub").dataset.state = state;
  $("hub-state").textContent = text;
  $("kill").disabled = state !== "up";
}

/** Ask which process the hub is until it answers. */
export async function watch() {
  if (watching) return;
  watching = true;
  for (const before = pid; watching; ) {
    try {
      const answer = await (await fetch("demo/hub")).json();
      if ($("hub").dataset.state !== "killed" || answer.data.pid !== before) {
        pid = answer.data.pid;
        show("up", before && pid !== before ? `new process ${pid}` : `process ${pid}`);
        watching = false;
        return;
      }
    } catch {
      if ($("hub").dataset.state !== "killed") show("away", "no answer");
    }
    await sleep(ASK_MS);
  }
}

/** SIGKILL. The hub answers which process it was, and is gone a moment later. */
export async function kill() {
  guide(words.GUIDES.killing, "away");
  try {
    const answer = await fetch("demo/kill", { method: "POST", headers: { "x-signature": facts.kill } });
    const said = await answer.json();
    if (!answer.ok) {
      guide(words.notKilled(said.code), "gap");
      return;
    }
    pid = said.data.pid;
  } catch {
    // No answer: it is gone already.
  }
  show("killed", `process ${pid} was killed`);
  guide(words.killed(facts.restart_s), "away");
  watch();
}
