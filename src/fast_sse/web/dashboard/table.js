// A table that moves without jumping: rows are known by a key and keep their elements, so that focus and a pointer stay
// where they are while numbers change. On a phone each row is a card.

import { el, say } from "./dom.js";

/**
 * `{node, update(items)}`.
 *
 * @param columns  of `{title, text(item)}` for a text, `{title, number(item)}` for a number with its unit,
 *                 `{title, make(item, current)}` for an element that is made once (`current()` is the item now) and, if it
 *                 has `draw(element, item)`, drawn again; `wide` where it needs a line of its own on a phone, `act` of buttons
 * @param key      (item) => what the row is known by
 */
export function table(caption, columns, key) {
  const head = columns.map(({ title, number, act }) =>
    el("th", { scope: "col", class: number ? "number" : null }, act ? el("span", { class: "visually-hidden" }, title) : title));
  const body = el("tbody");
  const node = el("table", { class: "cards" },
    el("caption", { class: "visually-hidden" }, caption), el("thead", {}, el("tr", {}, head)), body);
  const rows = new Map();

  function made(item) {
    const row = { item };
    row.cells = columns.map(({ title, number, make, act, wide }) => {
      const child = make?.(item, () => row.item);
      const kind = [number ? "number live-number" : "", act ? "act-column" : "", wide ? "wide" : ""].join(" ").trim();
      return el("td", { class: kind || null, data: { label: title } }, child);
    });
    row.node = el("tr", {}, row.cells);
    return row;
  }
  function draw(row, item) {
    row.item = item;
    columns.forEach(({ text, number, draw: again }, i) => {
      if (again) again(row.cells[i].firstElementChild, item);
      else if (text || number) say(row.cells[i], (text ?? number)(item));
    });
  }
  function update(items) {
    const present = new Set();
    items.forEach((item, i) => {
      const name = key(item);
      present.add(name);
      if (!rows.has(name)) rows.set(name, made(item));
      const row = rows.get(name);
      draw(row, item);
      if (body.children[i] !== row.node) body.insertBefore(row.node, body.children[i] ?? null);
    });
    for (const [name, row] of rows) {
      if (present.has(name)) continue;
      row.node.remove();
      rows.delete(name);
    }
  }
  return { node, update };
}
