// One message by its id: how far it has come, and what was published.

import { ApiError, explained, get, path } from "../api.js";
import { el, field } from "../dom.js";
import { bytes, moment, plural, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { indented } from "../exact.js";
import { block, card, pairs } from "../parts.js";
import { channelText, go, to } from "../routes.js";

const STEPS = [["stored", "in the log"], ["written", "handed to sockets"], ["acked", "named clients have it"]];
const SAYS = {
  stored: "It is in the log, and as far as is known it was handed to no socket.",
  written: "It was handed to sockets; nobody acknowledged it by name.",
  acked: "Named clients said that they have it.",
  dead: "Nobody was handed it in time: it is in the dead letters.",
};

function road({ state, stored_ms: stored, written, acked }) {
  const reached = state === "dead" ? 0 : STEPS.findIndex(([name]) => name === state);
  const more = { stored: moment(stored), written: written === null ? "not known any more" : plural(written, "socket"), acked: acked === null ? "not known any more" : plural(acked, "client") };
  const steps = STEPS.map(([name, about], i) => el("li", { class: i <= reached ? "reached" : null },
    el("strong", {}, name), el("div", { class: "hint" }, about), el("div", {}, more[name])));
  if (state === "dead") steps.push(el("li", { class: "dead" }, el("strong", {}, "dead"), el("div", {}, "in the dead letters")));
  return el("ol", { class: "road" }, steps);
}

const where = ({ delivery, letter }) => card("Where it is now",
  el("p", {}, SAYS[delivery.state] ?? delivery.state), road(delivery),
  delivery.complete ? null : word("look", delivery.silent.length
    ? `Not yet heard: ${delivery.silent.join(", ")}. What they handed over is missing in the counts.`
    : "This node holds the message no more: the counts are not known."),
  delivery.clients.length ? el("p", {}, `Acknowledged by ${delivery.clients.join(", ")}.`) : null,
  letter ? el("p", {}, el("a", { href: to("dead-letters", [letter.id]) }, "Its dead letter"), `: ${letter.description}`) : null);

const what = (message) => card("What was published", pairs({
  Channel: el("a", { class: "mono", href: to("channels", [message.event_id, message.event_type]) }, channelText(message.event_id, message.event_type)),
  Published: moment(message.time_ms),
  Event: message.event,
  "Event name": message.event_name,
  Expires: message.expires_ms === null ? null : moment(message.expires_ms),
  Size: text(bytes(message.data_bytes)),
}),
el("h3", {}, "Data"), block("Data", indented(message.data_text)),
message.truncated ? word("look", "Only the beginning is shown.") : null,
el("h3", {}, "Headers"), block("Headers", JSON.stringify(message.headers, null, 2)),
message.user_text ? [el("h3", {}, "User"), block("User", indented(message.user_text))] : null);

/** All of it; bytes that never became a message have a letter and nothing else. */
const shown = (found) => [
  where(found),
  found.message ? what(found.message) : null,
  found.envelope_text === null ? null : card("As subscribers see it", block("Envelope", found.envelope_text)),
].filter(Boolean);

const missing = (error) => {
  if (error instanceof ApiError && error.status === 404) {
    return [word("look", "No message has this id: it was never stored here, or is trimmed or erased. Was the id of another hub?")];
  }
  if (error instanceof ApiError && error.status === 400) return [word("look", explained(error))];
  throw error;
};

export const messages = {
  title: "Messages",
  show(main, { params: [id] }, signal) {
    const input = el("input", { type: "search", class: "mono", value: id ?? "", autocapitalize: "off", autocomplete: "off", spellcheck: "false", required: true });
    const submit = (event) => {
      event.preventDefault();
      const wanted = input.value.trim();
      if (wanted && wanted !== id) go("messages", [wanted]);
      else part?.refresh();
    };
    const part = id && loaded({
      load: (stop) => get(path("v1", "messages", id), {}, stop).then(shown).catch(missing),
      render: (nodes) => nodes,
      signal,
    });
    main.append(
      el("div", { class: "top" }, el("h1", {}, "Messages"), part ? part.asof : null),
      el("form", { class: "bar", role: "search", on: { submit } },
        field("Id of a message", input), el("button", { class: "main" }, "Look up")),
      part ? part.node : word("quiet", "A publish is answered with an id, and each event has it as its id: line. Paste one here."),
    );
    if (!id) input.focus();
  },
};
