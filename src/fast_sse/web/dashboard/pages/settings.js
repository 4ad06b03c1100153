// The settings in force, and where each is from. Secrets never leave the node.

import { get } from "../api.js";
import { el, field } from "../dom.js";
import { plural } from "../format.js";
import { loaded, word } from "../loading.js";
import { table } from "../table.js";

export const settings = {
  title: "Settings",
  show(main, _where, signal) {
    const search = el("input", { type: "search", autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
    const only = el("input", { type: "checkbox", id: "set-only" });
    const { node, update } = table("Settings", [
      { title: "Setting", make: ({ name }) => el("code", {}, name) },
      { title: "Value", wide: true, make: () => el("code"), draw: (cell, { value }) => { cell.textContent = value === "" ? "not set" : value; cell.classList.toggle("hint", value === ""); } },
      { title: "From", wide: true, make: () => el("span"), draw: (cell, { origin }) => { cell.textContent = origin; cell.className = origin === "default" ? "hint" : "mono"; } },
    ], ({ name }) => name);
    const about = el("p", { class: "note", role: "status" });
    const none = word("quiet", "No setting has this in its name or value.");
    let items = [];
    const filter = () => {
      const wanted = search.value.trim().toLowerCase();
      const kept = items.filter(({ name, value, origin }) =>
        (!only.checked || origin !== "default") && `${name} ${value} ${origin}`.toLowerCase().includes(wanted));
      update(kept);
      node.hidden = !kept.length;
      none.hidden = kept.length > 0;
      about.textContent = `${kept.length} of ${plural(items.length, "setting")}.`;
    };
    const part = loaded({
      load: (stop) => get("v1/settings", {}, stop),
      render: (data) => {
        items = data.items;
        filter();
        return [node, none, about];
      },
      signal,
    });
    search.addEventListener("input", filter);
    only.addEventListener("change", filter);
    main.append(
      el("div", { class: "top" }, el("h1", {}, "Settings in force"), part.asof),
      el("div", { class: "bar" }, field("Search", search),
        el("div", { class: "row control" }, only, el("label", { for: only.id }, "only settings that are not the default"))),
      el("div", { class: "card" }, part.node),
    );
  },
};
