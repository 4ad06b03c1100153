// Who listens, and who holds up: slow peers, streams behind the log, the oldest.

import { ask as request, get, path } from "../api.js";
import { ask } from "../dialogs.js";
import { button, el, field } from "../dom.js";
import { ago, bytes, count, plural, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { channelText, note, to } from "../routes.js";
import { table } from "../table.js";
import { tabs } from "../tabs.js";

const EVERY_MS = 2000;
const ORDERS = [["slow", "Slow"], ["lagging", "Lagging"], ["oldest", "Oldest"]];
const EMPTY = {
  slow: "No stream is slow: each peer has taken all its bytes.",
  lagging: "No stream lags: each is level with the log.",
  oldest: "No stream is open on this node.",
};
const STATES = { live: "live", catching_up: "catching up", paused: "paused", joining: "joining", ended: "ended" };
const KINDS = { live: "", catching_up: "look", paused: "look" };

const listens = ({ channels, channels_count: all }) => el("span", {},
  channels.map(({ event_id: id, event_type: type }, i) => [
    i ? ", " : null, el("a", { class: "mono", href: to("channels", [id, type]) }, channelText(id, type))]),
  all > channels.length ? ` and ${all - channels.length} more` : null);

/** Ask, then end one; its client is told to come back and resumes. */
const end = (current, part, signal) => ask({
  title: "End this stream",
  words: [`This ends the stream of ${current().address}. Its client is told to reconnect, and resumes where it was.`],
  yes: "End it",
  act: async () => {
    await request("DELETE", path("v1", "subscribers", current().id));
    part().refresh();
    return "The stream is ended.";
  },
  signal,
});

const list = (part, signal) => table("Streams", [
  { title: "Channels", make: listens },
  { title: "State", make: () => el("span"), draw: (badge, { state }) => {
    badge.className = `badge ${KINDS[state] ?? "plain"}`;
    badge.textContent = STATES[state] ?? state;
  } },
  { title: "Peer", text: ({ address }) => address },
  { title: "Signed by", text: ({ principal }) => principal },
  { title: "Open for", number: ({ age_s: age }) => ago(age) },
  { title: "Waiting", number: ({ queued_bytes: queued, stands_s: stands }) => text(bytes(queued)) + (stands === null ? "" : `, ${ago(stands)}`) },
  { title: "Behind", number: ({ behind }) => text(count(behind ?? undefined)) },
  { title: "End", act: true, make: (_item, current) => button("End…", () => end(current, part, signal), { kind: "small" }) },
], ({ id }) => id);

export const streams = {
  title: "Streams",
  show(main, { query }, signal) {
    const asked = { order: query.get("order") ?? "oldest", channel: query.get("channel") ?? "" };
    const filter = el("input", { type: "search", value: asked.channel, autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
    const about = el("p", { class: "note live-number" });
    const { node, update } = list(() => part, signal);
    const part = loaded({
      load: (stop) => get("v1/subscribers", { ...asked, limit: 100 }, stop),
      render: ({ items, more, total, states }) => {
        update(items);
        const parts = Object.entries(states).filter(([, number]) => number).map(([state, number]) => `${count(number).value} ${STATES[state] ?? state}`);
        about.textContent = `${plural(total, "stream")} on this node${parts.length ? `: ${parts.join(", ")}` : ""}.${more ? " The first 100 are shown." : ""}`;
        if (items.length) return [about, node];
        return [about, word("quiet", asked.channel ? `No stream in this list gets messages of ${asked.channel}.` : EMPTY[asked.order])];
      },
      every_ms: EVERY_MS,
      signal,
    });
    const again = () => {
      note("streams", [], asked);
      part.refresh();
    };
    const submit = (event) => {
      event.preventDefault();
      asked.channel = filter.value.trim();
      again();
    };
    main.append(
      el("div", { class: "top" }, el("h1", {}, "Streams"), part.asof),
      el("form", { class: "bar", role: "search", on: { submit } },
        field("Of a channel, id/type", filter),
        el("button", {}, "Filter"),
        tabs("Order", ORDERS, asked.order, (chosen) => { asked.order = chosen; again(); })),
      el("div", { class: "card" }, part.node),
    );
  },
};
