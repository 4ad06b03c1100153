// Dead letters: which there are, and what to do with many of them at once.

import { get } from "../api.js";
import { button, choice, el, field } from "../dom.js";
import { bytes, count, moment, plural, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { channelText, note, to } from "../routes.js";
import { table } from "../table.js";
import { localMs } from "./kept.js";
import { letter } from "./letter.js";
import { purgeMany, replayMany } from "./letters_run.js";

const REASONS = [["", "any"], ["no_subscriber", "no subscriber"], ["expired", "expired"], ["poison", "poison"]];
const PAGE = 50;
/** Where filters are not in the way of what they find. */
const WIDE = "(min-width: 48rem)";

const list = () => table("Dead letters", [
  { title: "Died", make: ({ id, dead_ms: at }) => el("a", { href: to("dead-letters", [id]) }, moment(at)) },
  { title: "Channel", wide: true, make: ({ event_id: id, event_type: type, source }) => el("span", { class: "mono" },
    id === null ? source?.queue ?? "none" : channelText(id, type)) },
  { title: "Reason", make: ({ reason }) => el("span", { class: `badge ${reason === "poison" ? "act" : "look"}` }, reason.replace("_", " ")) },
  { title: "Why", wide: true, text: ({ description }) => description },
  { title: "Tries", number: ({ attempts }) => text(count(attempts)) },
  { title: "Size", number: ({ size_bytes: size }) => text(bytes(size)) },
], ({ id }) => id);

/** The filters as controls: `{node, given()}`; `given` are the route's parameters, without what is empty. */
function filters(query) {
  const text_ = () => el("input", { type: "text", autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
  const controls = {
    reason: choice(REASONS), event_id: text_(), event_type: text_(),
    after: el("input", { type: "datetime-local", step: "1" }), before: el("input", { type: "datetime-local", step: "1" }),
  };
  for (const [name, control] of Object.entries(controls)) control.value = query.get(name) ?? "";
  const node = [
    field("Reason", controls.reason), field("Event id", controls.event_id), field("Event type", controls.event_type),
    field("Died from (your clock)", controls.after), field("Died before", controls.before),
  ];
  const typed = () => Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value.trim()]));
  const given = () => {
    const { after, before, ...rest } = typed();
    return Object.fromEntries(Object.entries({ ...rest, after: localMs(after), before: localMs(before) }).filter(([, value]) => value));
  };
  return { node, typed, given };
}

function overview(main, { query }, signal) {
  const { node: controls, typed, given } = filters(query);
  let used = given();
  let following = null;
  let shown = [];
  const { node, update } = list();
  const about = el("p", { class: "note live-number" });
  const more = button("Earlier ones", () => part.refresh());
  const part = loaded({
    load: (stop) => get("v1/dead-letters", { ...used, limit: PAGE, cursor: following ?? "" }, stop),
    render: ({ items, next, total, waiting }) => {
      shown = following === null ? items : [...shown, ...items];
      following = next;
      more.hidden = next === null;
      update(shown);
      about.textContent = `${plural(total, "dead letter")} in all. Still waiting for a subscriber on this node: ${plural(waiting, "message")}.`;
      bulk.hidden = !shown.length;
      if (shown.length) return [about, node, el("div", { class: "row end" }, more)];
      return [about, word("quiet", Object.keys(used).length ? "No dead letter matches this filter." : "No dead letters. No message has waited too long for a subscriber.")];
    },
    signal,
  });
  const anew = () => {
    following = null;
    part.refresh();
  };
  const submit = (event) => {
    event.preventDefault();
    used = given();
    note("dead-letters", [], typed());
    anew();
  };
  const run = (start) => () => start({ filter: used, done: anew, signal });
  const bulk = el("div", { class: "row", hidden: true },
    button("Replay all of these…", run(replayMany)), button("Purge all of these…", run(purgeMany), { kind: "danger" }));
  main.append(
    el("div", { class: "top" }, el("h1", {}, "Dead letters"), part.asof),
    el("details", { class: "card", open: Object.keys(used).length > 0 || matchMedia(WIDE).matches }, el("summary", {}, "Filter"),
      el("form", { class: "fields", role: "search", on: { submit } }, controls, el("button", {}, "Show"))),
    el("div", { class: "card" }, bulk, part.node),
  );
}

export const letters = {
  title: "Dead letters",
  show(main, where, signal) {
    (where.params.length ? letter : overview)(main, where, signal);
  },
};
