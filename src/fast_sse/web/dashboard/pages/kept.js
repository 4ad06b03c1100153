// What the log keeps of a channel, from a time, from behind an id, or the newest.

import { get, path } from "../api.js";
import { button, choice, el, field } from "../dom.js";
import { loaded, word } from "../loading.js";
import { messageRow } from "../message_row.js";

const PAGE = 50;

/** A moment of `<input type="datetime-local">` in ms, or "". */
export const localMs = (text) => (text ? String(new Date(text).getTime()) : "");

export function kept(place, params, signal) {
  const wide = params.includes("*");
  const from = choice([["newest", "the newest"], ["earliest", "the beginning"], ["time", "a time"], ["id", "after an id"]]);
  const time = el("input", { type: "datetime-local", step: "1" });
  const until = el("input", { type: "datetime-local", step: "1" });
  const id = el("input", { type: "text", autocomplete: "off", spellcheck: "false", class: "mono" });
  const fields = { time: field("From (your clock)", time), id: field("Id", id) };
  const end = field("Up to (your clock)", until);
  const list = el("ol", { class: "tail", "aria-label": "Retained messages, oldest first", tabindex: "0" });
  const more = button("Later ones", () => part.refresh());
  let next = null; // continues the list where set

  const asked = () => {
    if (next) return { after: next };
    if (from.value === "time") return { from_ms: localMs(time.value) };
    if (from.value === "id") return { after: id.value.trim() };
    return { after: from.value === "earliest" ? "earliest" : "" };
  };
  /** A page as long as was asked for: the node's own are short where messages are large, or of other channels. */
  async function load(stop) {
    const continued = next !== null;
    const bound = { before_ms: end.hidden ? "" : localMs(until.value) };
    const pageOf = (fields) => get(path("v1", "channels", ...params, "messages"), { ...fields, ...bound, limit: PAGE }, stop);
    const page = await pageOf(asked());
    while (page.items.length < PAGE && page.next) {
      const following = await pageOf({ after: page.next });
      page.items.push(...following.items);
      page.next = following.next;
    }
    return { ...page, continued };
  }
  const render = ({ items, next: following, gap, continued }) => {
    if (!continued) list.replaceChildren();
    list.append(...items.map((message) => messageRow(message, wide)));
    next = following;
    more.hidden = following === null;
    const lost = gap ? word("look", `Earlier messages are gone (${gap.reason}). This is all that is kept.`) : null;
    if (!list.children.length) return [word("quiet", "No message is kept here. Older ones may be deleted: see retention in the settings.")];
    return [lost, list, el("div", { class: "row end" }, more)].filter(Boolean);
  };
  const part = loaded({ load, render, signal });
  const submit = (event) => {
    event.preventDefault();
    next = null;
    part.refresh();
  };
  const choose = () => {
    for (const [name, node] of Object.entries(fields)) node.hidden = from.value !== name;
    end.hidden = from.value === "newest"; // the newest have no end
  };
  from.addEventListener("change", choose);
  choose();
  place.append(el("div", { class: "card" },
    el("form", { class: "fields", on: { submit } },
      field("Begin at", from), fields.time, fields.id, end,
      el("div", { class: "row" }, el("button", { class: "main" }, "Show"), part.asof)),
    part.node));
}
