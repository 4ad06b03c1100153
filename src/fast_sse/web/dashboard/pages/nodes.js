// The nodes that share this store, as far as their turns name them.

import { get } from "../api.js";
import { el } from "../dom.js";
import { count, plural, text } from "../format.js";
import { loaded, word } from "../loading.js";
import { table } from "../table.js";

const EVERY_MS = 2000;

export const nodes = {
  title: "Nodes",
  show(main, _where, signal) {
    let known = false; // else nothing can be said of the others
    const { node, update } = table("Nodes", [
      { title: "Node", make: ({ node: name, self }) => el("span", {}, el("code", {}, name), self ? " (this one)" : null) },
      { title: "State", make: () => el("span"), draw: (badge, { current }) => {
        const [kind, said] = current === null ? ["plain", known ? "idle" : "not known"] : current ? ["", "heard"] : ["look", "silent"];
        badge.className = `badge ${kind}`;
        badge.textContent = said;
      } },
      { title: "Behind", number: ({ behind }) => text(count(behind ?? undefined)) },
    ], ({ node: name }) => name);
    const part = loaded({
      load: (stop) => get("v1/nodes", {}, stop),
      render: ({ shared, known: told, items }) => {
        known = told;
        update(items);
        const silent = items.filter(({ current }) => current === false).length;
        const words = !shared ? word("quiet", "This node has a log of its own, so there are no other nodes to show.")
          : !known ? word("look", "Nothing is known of other nodes now: the store has not named any yet, or does not answer.")
            : silent ? word("look", `Silent, although there is something to report: ${plural(silent, "node")}. A silent node was stopped or killed, or is stuck. A stopped one leaves this list by itself.`)
              : el("p", { class: "note" }, `${plural(items.length, "node")} on this store. A node that has nothing to report is idle.`);
        return items.length ? [words, node] : [words];
      },
      every_ms: EVERY_MS,
      signal,
    });
    main.append(el("div", { class: "top" }, el("h1", {}, "Nodes"), part.asof), el("div", { class: "card" }, part.node));
  },
};
