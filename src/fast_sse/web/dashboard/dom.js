// Elements from data. Text from outside enters a page as a text node and in no other way (CWE-79).

/**
 * One element. `attributes` may hold `class`, `on` (listeners by event), `data` (dataset), booleans, and any attribute by
 * its name; a child is a node, or a text; null and undefined are left out.
 */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** A button; `kind` is empty, `main` or `danger`. */
export const button = (text, onClick, { kind = "", ...attributes } = {}) =>
  el("button", { type: "button", class: kind, on: { click: onClick }, ...attributes }, text);

/** Set a text only where it differs, so that a selection and a screen reader are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let ids = 0;

/** A label and its control, joined by an id; `hint` is read with the control. */
export function field(label, control, hint = "") {
  ids += 1;
  control.id ||= `field-${ids}`;
  const about = hint ? el("span", { class: "hint", id: `${control.id}-hint` }, hint) : null;
  if (about) control.setAttribute("aria-describedby", about.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, about);
}

/** A `<select>` of [value, text] pairs. */
export const choice = (pairs, attributes = {}) =>
  el("select", attributes, pairs.map(([value, text]) => el("option", { value }, text)));
