// Small pieces that several pages show.

import { el } from "./dom.js";

/** A list of names and values; a value is a text or a node, and null leaves the pair out. */
export const pairs = (entries) => el("dl", { class: "pairs" }, Object.entries(entries)
  .filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

/** A part with a heading. */
export const card = (title, ...children) => el("section", { class: "card", "aria-label": title }, el("h2", {}, title), ...children);

/** A text that keeps its lines. A keyboard can scroll it. */
export const block = (name, text) => el("pre", { tabindex: "0", role: "region", "aria-label": name }, text);
