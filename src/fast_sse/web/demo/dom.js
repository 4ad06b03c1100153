// Small things that every part of the page needs. Text from outside enters the page through textContent only.

export const $ = (id) => document.getElementById(id);

/** What the hub wrote into the page: {channels: [{id, type, signature}], kill, restart_s, version, admin_port, documents}. */
export const facts = JSON.parse($("facts").textContent);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Put a row at the head of a list, and drop the oldest beyond `most`. */
export function prepend(list, row, most) {
  list.prepend(row);
  while (list.children.length > most) list.lastElementChild.remove();
  $(`${list.id}-empty`).hidden = true;
  return row;
}

export function guide(text, className = "") {
  $("guide").textContent = text;
  $("guide").className = `guide ${className}`;
}

export function hex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
export const messages = (count) => (count === 1 ? "1 message" : `${count} messages`);
export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });
