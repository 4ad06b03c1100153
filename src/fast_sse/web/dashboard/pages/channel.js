// One channel: what comes now, what is kept, and the end of it.

import { ask as request, path } from "../api.js";
import { button, el } from "../dom.js";
import { ask } from "../dialogs.js";
import { plural } from "../format.js";
import { channelText, note, to } from "../routes.js";
import { tabs } from "../tabs.js";
import { kept } from "./kept.js";
import { tail } from "./tail.js";

const VIEWS = { tail, kept };

/** The page of `params` = [id, type], which may be wildcards. */
export function channel(main, { params, query }, outer) {
  const name = channelText(...params);
  const pattern = params.includes("*");
  const place = el("div", { class: "loaded" });
  let view = new AbortController();
  outer.addEventListener("abort", () => view.abort());

  function show(chosen) {
    view.abort();
    view = new AbortController();
    note("channels", params, { view: chosen === "tail" ? "" : chosen });
    place.replaceChildren();
    VIEWS[chosen](place, params, view.signal);
  }
  const erase = () => ask({
    title: `Erase ${name}`,
    words: [
      "This removes every retained message and every dead letter of exactly this channel. It also ends its streams.",
      "This cannot be undone.",
    ],
    typed: name,
    yes: "Erase it",
    act: async () => {
      const { erased, dead_letters: dead, bodies } = await request("DELETE", path("v1", "channels", ...params));
      show(chosenNow());
      return `${plural(erased, "message")} and ${plural(dead, "dead letter")} erased.${bodies ? ` Their bodies ${bodies}.` : ""}`;
    },
    signal: outer,
  });
  const chosenNow = () => (new URLSearchParams(location.hash.split("?")[1]).get("view") === "kept" ? "kept" : "tail");
  const start = VIEWS[query.get("view")] ? query.get("view") : "tail";
  main.append(
    el("div", { class: "top" }, el("h1", { class: "mono" }, name)),
    el("div", { class: "row" },
      tabs("View", [["tail", "Live"], ["kept", "Retained"]], start, show),
      el("a", { href: to("streams", [], { channel: name }) }, "Its streams"),
      pattern ? null : el("a", { href: to("publish", [], { event_id: params[0], event_type: params[1] }) }, "Publish to it"),
      pattern ? null : button("Erase…", erase, { kind: "danger push" })),
    place,
  );
  show(start);
}
