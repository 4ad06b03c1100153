// A few choices side by side, of which one holds.

import { button, el } from "./dom.js";

/** Buttons of [value, text] pairs; `choose(value)` is called when another one is pressed. */
export function tabs(name, pairs, chosen, choose) {
  const made = pairs.map(([value, text]) => button(text, () => {
    for (const each of made) each.setAttribute("aria-pressed", String(each.dataset.value === value));
    choose(value);
  }, { data: { value }, "aria-pressed": String(value === chosen) }));
  return el("div", { class: "tabs", role: "group", "aria-label": name }, made);
}
