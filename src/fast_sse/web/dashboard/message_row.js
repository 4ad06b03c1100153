// One message in a list: when, where, and what; its id leads to everything else.

import { el } from "./dom.js";
import { bytes, moment, text } from "./format.js";
import { channelText, to } from "./routes.js";

/** A row of a tail or of retained messages. `wide`: the list holds several channels. */
export function messageRow(message, wide) {
  const { id, event, event_id: channel, event_type: type, time_ms: at } = message;
  return el("li", {},
    el("div", { class: "line" },
      el("span", {}, moment(at)),
      wide ? el("a", { href: to("channels", [channel, type]) }, channelText(channel, type)) : null,
      event ? el("span", { class: "badge plain" }, event) : null,
      message.truncated ? el("span", {}, `the beginning of ${text(bytes(message.data_bytes))}`) : el("span", {}, text(bytes(message.data_bytes))),
      el("a", { class: "mono", href: to("messages", [id]) }, id)),
    el("div", { class: "data" }, message.data_text));
}
