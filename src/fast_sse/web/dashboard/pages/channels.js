// Which channels are busy, and the way to each of them.

import { get } from "../api.js";
import { el, field } from "../dom.js";
import { count, plural, rate, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { channelOf, channelText, go, note, to } from "../routes.js";
import { table } from "../table.js";
import { tabs } from "../tabs.js";
import { channel } from "./channel.js";

const EVERY_MS = 2000;
const TYPING_MS = 250;
const link = ({ event_id: id, event_type: type }) => el("a", { href: to("channels", [id, type]), class: "mono" }, channelText(id, type));

const list = () => table("Channels", [
  { title: "Channel", make: link },
  { title: "Published", number: ({ per_s: each }) => text(rate(each ?? undefined)) },
  { title: "Named by", number: ({ subscribers }) => text(count(subscribers, subscribers === 1 ? "stream" : "streams")) },
  { title: "Listening", number: ({ listening }) => text(count(listening, listening === 1 ? "stream" : "streams")) },
], ({ event_id: id, event_type: type }) => channelText(id, type));

/** The busiest channels, by rate or by subscribers, and those that have a text in their name. */
function overview(main, { query }, signal) {
  let top = query.get("top") === "subscribers" ? "subscribers" : "rate";
  const search = el("input", { type: "search", value: query.get("search") ?? "", autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
  const { node, update } = list();
  const about = el("p", { class: "note" });
  const part = loaded({
    load: (stop) => get("v1/channels", { top, search: search.value.trim(), limit: 50 }, stop),
    render: ({ items, more, counted, per_s_error: error, window_s: over, streams }) => {
      update(items);
      about.textContent = [
        `${plural(counted, "channel")} counted over about ${over} s, ${plural(streams, "stream")} on this node.`,
        error > 0 ? `A rate may be too low by ${text(rate(error))}.` : "",
        more ? "There are more: search for a part of the name." : "",
      ].filter(Boolean).join(" ");
      return items.length ? [node, about] : [nothing(), about];
    },
    every_ms: EVERY_MS,
    signal,
  });
  const nothing = () => {
    const typed = search.value.trim();
    const exact = channelOf(typed);
    if (!typed) return word("quiet", "No message was published in the last minutes, and no stream is open. To open a quiet channel, type its whole name, id/type.");
    if (!exact) return word("quiet", "No busy channel has this in its name. Quiet channels are not listed: to open one, type its whole name, id/type.");
    return word("quiet", "This channel is quiet, so it is not listed. ", el("a", { href: to("channels", exact) }, `Open ${channelText(...exact)}`));
  };
  const again = () => {
    note("channels", [], { top: top === "rate" ? "" : top, search: search.value.trim() });
    part.refresh();
  };
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(again, TYPING_MS);
  });
  const submit = (event) => {
    event.preventDefault();
    const exact = channelOf(search.value);
    if (exact) go("channels", exact);
  };
  main.append(
    el("div", { class: "top" }, el("h1", {}, "Channels"), part.asof),
    el("form", { class: "bar", role: "search", on: { submit } },
      field("Search, or id/type to open", search),
      tabs("Order", [["rate", "By rate"], ["subscribers", "By subscribers"]], top, (chosen) => { top = chosen; again(); })),
    el("div", { class: "card" }, part.node),
  );
}

export const channels = {
  title: "Channels",
  show(main, where, signal) {
    (where.params.length === 2 ? channel : overview)(main, where, signal);
  },
};
