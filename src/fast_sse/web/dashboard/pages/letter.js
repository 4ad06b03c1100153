// One dead letter: why it died, what it was, and its way out.

import { ApiError, ask as request, path } from "../api.js";
import { ask } from "../dialogs.js";
import { button, el } from "../dom.js";
import { bytes, count, moment, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { indented, part as partOf } from "../exact.js";
import { block, card, pairs } from "../parts.js";
import { channelOf, channelText, go, to } from "../routes.js";

/** The bytes of poison as a text; what is no UTF-8 is shown as hexadecimal. */
function poison(base64) {
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    return [...raw.slice(0, 4096)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
}

export const REPLAY_TO = { name: "to", label: "To another channel, id/type", hint: "Leave it empty to publish to its own channel." };

/** The body of a replay of what was typed. Raises ApiError as the node would. */
export function replayBody(typed) {
  if (!typed.trim()) return {};
  const channel = channelOf(typed);
  if (!channel) throw new ApiError({ status: 400, code: "bad_channel", message: "a channel is written id/type" });
  return { to: { event_id: channel[0], event_type: channel[1] } };
}

function actions(letter, signal) {
  const replay = () => ask({
    title: "Replay this dead letter",
    words: ["Its message is published again, as a new message. Then the dead letter is removed."],
    fields: [REPLAY_TO],
    yes: "Replay",
    danger: false,
    act: async ({ to: typed }) => {
      const { message_id: id } = await request("POST", path("v1", "dead-letters", letter.id, "replay"), { body: replayBody(typed) });
      go("messages", [id]);
      return "Replayed: this is the new message.";
    },
    signal,
  });
  const purge = () => ask({
    title: "Purge this dead letter",
    words: ["The dead letter is removed for good. Nothing is published."],
    yes: "Purge",
    act: async () => {
      await request("DELETE", path("v1", "dead-letters", letter.id));
      go("dead-letters");
      return "The dead letter is purged.";
    },
    signal,
  });
  return el("div", { class: "row" }, button("Replay…", replay, { kind: "main" }), button("Purge…", purge, { kind: "danger" }),
    el("a", { href: `${path("v1", "dead-letters", letter.id)}?form=raw` }, "Download its bytes"));
}

const texts = (name, json) => (json === undefined ? null : [el("h3", {}, name), block(name, indented(json))]);

/** The letter, and the texts of what was published, number for number. */
const exact = (letter, text) => ({
  ...letter,
  ...Object.fromEntries(["data", "headers", "user"].map((name) => [`${name}_text`, partOf(text, ["data", name])])),
});

function shown(letter, signal) {
  const { event_id: id, event_type: type, source } = letter;
  return [
    card("Why it is here", el("p", {}, letter.description), actions(letter, signal),
      letter.maybe_delivered ? word("look", "A node that crashed or stood still may have delivered it.") : null),
    card("The message", pairs({
      Id: el("code", {}, letter.id),
      Channel: id === null ? "none" : el("a", { class: "mono", href: to("channels", [id, type]) }, channelText(id, type)),
      Reason: letter.reason.replace("_", " "),
      Published: moment(letter.published_ms),
      Died: moment(letter.dead_ms),
      "First published": letter.first_seen_ms === letter.published_ms ? null : moment(letter.first_seen_ms),
      Tries: text(count(letter.attempts)),
      "Original id": letter.original_id === letter.id ? null : el("code", {}, letter.original_id),
      Node: letter.node,
      Size: text(bytes(letter.size_bytes)),
      From: source ? `${source.kind} ${source.queue}, entry ${source.place}` : null,
      SHA256: letter.sha256 ? el("code", {}, letter.sha256) : null,
      Event: letter.event,
      "Event name": letter.event_name,
    }),
    texts("Data", letter.data_text), texts("Headers", letter.headers_text), texts("User", letter.user === null ? undefined : letter.user_text),
    letter.raw === undefined ? null : [el("h3", {}, "Its bytes"), block("Bytes", poison(letter.raw))]),
  ];
}

const gone = (error) => {
  if (error instanceof ApiError && error.status === 404) {
    return [word("look", "There is no such dead letter. It was replayed, purged or delivered late, or the id is wrong.")];
  }
  throw error;
};

export function letter(main, { params: [id] }, signal) {
  const part = loaded({
    load: (stop) => request("GET", path("v1", "dead-letters", id), { signal: stop, exact }).then((whole) => shown(whole, signal)).catch(gone),
    render: (nodes) => nodes,
    signal,
  });
  main.append(
    el("div", { class: "top" }, el("h1", {}, "Dead letter"), part.asof),
    el("p", {}, el("a", { href: to("dead-letters") }, "All dead letters")), part.node);
}
