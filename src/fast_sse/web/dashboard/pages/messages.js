// One message by its id: how far it has come, and what was published.

import { ApiError, explained, get, path } from "../api.js";
import { el, field } from "../dom.js";
import { bytes, moment, plural, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { indented } from "../exact.js";
import { block, card, pairs } from "../parts.js";
import { channelText, go, to } from "../routes.js";

const STEPS = [["stored", "in the log"], ["written", "handed to sockets"], ["acked", "clients have it"]];
const SAYS = {
  stored: "It is in the log. As far as the nodes know, it was handed to no socket.",
  written: "It was handed to sockets. No client has acknowledged it.",
  acked: "Clients have acknowledged it.",
  dead: "It was handed to no subscriber in time. It is in the dead letters.",
};

function road({ state, stored_ms: stored, written, acked }) {
  const reached = state === "dead" ? 0 : STEPS.findIndex(([name]) => name === state);
  const more = { stored: moment(stored), written: written === null ? "no longer known" : plural(written, "socket"), acked: acked === null ? "no longer known" : plural(acked, "client") };
  const steps = STEPS.map(([name, about], i) => el("li", { class: i <= reached ? "reached" : null },
    el("strong", {}, name), el("div", { class: "hint" }, about), el("div", {}, more[name])));
  if (state === "dead") steps.push(el("li", { class: "dead" }, el("strong", {}, "dead"), el("div", {}, "in the dead letters")));
  return el("ol", { class: "road" }, steps);
}

const where = ({ delivery, letter }) => card("Where it is now",
  el("p", {}, SAYS[delivery.state] ?? delivery.state), road(delivery),
  delivery.complete ? null : word("look", delivery.silent.length
    ? `No word yet from ${delivery.silent.join(", ")}. Their deliveries are missing in the counts.`
    : "This node no longer has the message in memory, so the counts are not known."),
  delivery.clients.length ? el("p", {}, `Acknowledged by ${delivery.clients.join(", ")}.`) : null,
  letter ? el("p", {}, el("a", { href: to("dead-letters", [letter.id]) }, "Its dead letter"), `: ${letter.description}`) : null);

const what = (message) => card("The message", pairs({
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
    return [word("look", "No message has this id. It was trimmed or erased, or the id is from another hub.")];
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
      part ? part.node : word("quiet", "Paste the id of a message. It is in the answer to the publish, and in the id: line of the event."),
    );
    if (!id) input.focus();
  },
};
