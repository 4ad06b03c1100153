// The live tail of a channel: what comes, as it comes. A pause keeps what comes meanwhile; a flood is shown as far as a
// person could read it, and the rest is counted.

import { path } from "../api.js";
import { button, el, say } from "../dom.js";
import { count, plural } from "../format.js";
import { fresh, watch } from "../live.js";
import { messageRow } from "../message_row.js";
import { follow } from "../stream.js";

const ROWS_MAX = 200;
const HELD_MAX = 500;
const BEGIN = 20;
const GAPS = {
  trimmed: "the log no longer has the messages after this id; all messages that it has follow",
  epoch: "the log is another one, new or restored; all its messages follow",
  lost_tail: "the log has lost its newest part, and some of that was shown here",
  ahead: "the id is newer than the log; the list continues from now",
  unreadable: "the id, or a part of the log, could not be read; the list continues without it",
};

export function tail(place, params, signal) {
  const wide = params.includes("*");
  const held = [];
  let paused = false;
  let drawing = 0;
  let came = 0;
  let unseen = 0;
  let away = "connecting";

  const state = el("span", { class: "asof push", role: "status" }, "connecting");
  const counted = el("span", { class: "note live-number" });
  const list = el("ol", { class: "tail", "aria-label": "Messages, newest first", tabindex: "0" });
  const empty = el("p", { class: "word quiet" }, "Nothing yet. Messages of this channel appear here.");
  const hold = button("Pause", () => {
    paused = !paused;
    say(hold, paused ? "Go on" : "Pause");
    hold.setAttribute("aria-pressed", String(paused));
    soon();
  }, { "aria-pressed": "false" });
  const clear = button("Clear", () => {
    list.replaceChildren();
    empty.hidden = false;
  });

  function draw() {
    drawing = 0;
    if (!paused && held.length) {
      const rows = held.splice(0).map((make) => make()).reverse();
      list.prepend(...rows);
      while (list.children.length > ROWS_MAX) list.lastElementChild.remove();
      empty.hidden = true;
    }
    const waiting = paused && held.length ? `, ${count(held.length).value} more wait` : "";
    const lost = unseen ? `, ${count(unseen).value} not shown` : "";
    say(counted, `${plural(came, "message")}${waiting}${lost}`);
  }
  function standing() {
    say(state, away ? `not live: ${away}` : fresh() ? "live" : "not live: no news from the node");
  }
  const soon = () => { drawing ||= requestAnimationFrame(draw); };
  function keep(make) {
    held.push(make);
    if (held.length > HELD_MAX) {
      held.shift();
      unseen += 1;
    }
    soon();
  }
  const target = path("v1", "channels", ...params, "tail");
  const connection = follow((last) => `${target}?${new URLSearchParams(last ? { after: last } : { last: BEGIN })}`, {
    events: {
      start: () => {},
      message: (message) => {
        came += 1;
        keep(() => messageRow(message, wide));
      },
      gap: ({ reason }) => keep(() => el("li", { class: "gap" }, `Gap (${reason}): ${GAPS[reason] ?? reason}.`)),
      skipped: () => keep(() => el("li", { class: "gap" }, "Too many messages came to show all of them. The missing ones are in the log.")),
      position: () => {},
    },
    opened: () => { away = ""; standing(); },
    lost: (why) => { away = why; standing(); },
    signal,
  });
  // A quiet tail cannot tell a quiet channel from a dead connection; the numbers beside it, one a second, can.
  let well = fresh();
  watch(() => {
    if (fresh() && !well) connection.again();
    well = fresh();
    standing();
  }, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(drawing));
  place.append(el("div", { class: "card" },
    el("div", { class: "row" }, hold, clear, counted, state), empty, list));
}
