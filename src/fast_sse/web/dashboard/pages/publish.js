// Publish a message, for trying: the node signs it, and it takes the same road as every other.

import { ask, explained } from "../api.js";
import { choice, el, field } from "../dom.js";
import { moment } from "../format.js";
import { channelText, to } from "../routes.js";

const ANSWERS_MAX = 20;
const BEGIN = '{"sku": "SKU-45678", "quantity": 2}';

/** "name: value" lines as an object. Raises SyntaxError that names the line. */
function headersOf(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new SyntaxError(`Headers: “${line.trim()}” does not have the form name: value.`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

/** Checked JSON text as it was typed: numbers stay as they are. Raises SyntaxError. */
function typed(name, text) {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`${name} is not JSON: ${error.message}`);
  }
  return text.trim();
}

const input = (attributes = {}) => el("input", { type: "text", autocapitalize: "off", autocomplete: "off", spellcheck: "false", ...attributes });

/** The body of a publish; what is left empty is left out. */
function body({ id, type, data, event, headers, ttl, name, user, key, letter }) {
  const fields = [`"event_id":${JSON.stringify(id.value)}`, `"event_type":${JSON.stringify(type.value)}`, `"data":${typed("Data", data.value)}`];
  const texts = { event, event_name: name, idempotency_key: key };
  for (const [field_, control] of Object.entries(texts)) if (control.value) fields.push(`"${field_}":${JSON.stringify(control.value)}`);
  if (headers.value.trim()) fields.push(`"headers":${JSON.stringify(headersOf(headers.value))}`);
  if (ttl.value) fields.push(`"ttl_s":${Number(ttl.value)}`);
  if (user.value.trim()) fields.push(`"user":${typed("User", user.value)}`);
  if (letter.value) fields.push(`"dead_letter":${letter.value}`);
  return `{${fields.join(",")}}`;
}

export const publish = {
  title: "Publish",
  show(main, { query }, signal) {
    const controls = {
      id: input({ value: query.get("event_id") ?? "", required: true }),
      type: input({ value: query.get("event_type") ?? "", required: true }),
      data: el("textarea", { rows: "5", spellcheck: "false", autocapitalize: "off" }),
      event: input(), name: input(), key: input(), user: input(),
      ttl: input({ inputmode: "numeric", pattern: "[0-9]+" }),
      headers: el("textarea", { rows: "2", spellcheck: "false", autocapitalize: "off" }),
      letter: choice([["", "as the setting says"], ["true", "yes"], ["false", "no"]]),
    };
    controls.data.value = BEGIN;
    const trouble = el("p", { class: "word act", role: "alert", hidden: true });
    const go = el("button", { class: "main" }, "Publish");
    const list = el("ol", { class: "tail", "aria-label": "Answers, newest first", tabindex: "0" });
    const empty = el("p", { class: "word quiet" }, "Nothing yet. An answer with an id means that the message is stored. The word in brackets says how safely.");

    const submit = async (event) => {
      event.preventDefault();
      trouble.hidden = true;
      go.disabled = true;
      try {
        const where = [controls.id.value, controls.type.value];
        const { message_id: id, durability, duplicate } = await ask("POST", "v1/publish-test", { body: body(controls), signal });
        list.prepend(el("li", {}, el("div", { class: "line" },
          el("span", {}, moment(Date.now())), el("span", { class: "badge" }, `stored (${durability})`), duplicate ? el("span", { class: "badge plain" }, "stored before") : null,
          el("a", { href: to("channels", where) }, channelText(...where)), el("a", { class: "mono", href: to("messages", [id]) }, id))));
        if (list.children.length > ANSWERS_MAX) list.lastElementChild.remove();
        empty.hidden = true;
        list.hidden = false;
      } catch (error) {
        if (signal.aborted) return;
        trouble.textContent = error instanceof SyntaxError ? error.message : explained(error);
        trouble.hidden = false;
      } finally {
        go.disabled = false;
      }
    };
    list.hidden = true;
    main.append(
      el("div", { class: "top" }, el("h1", {}, "Publish")),
      el("div", { class: "columns" },
        el("form", { class: "card", on: { submit } },
          el("div", { class: "fields" }, field("Event id", controls.id), field("Event type", controls.type)),
          field("Data, any JSON value", controls.data),
          el("details", {}, el("summary", {}, "More"), el("div", { class: "loaded" },
            el("div", { class: "fields" },
              field("Event", controls.event), field("Event name", controls.name), field("Lives for, in seconds", controls.ttl),
              field("Idempotency key", controls.key), field("Dead letter", controls.letter)),
            field("User, JSON", controls.user), field("Headers, one name: value a line", controls.headers))),
          trouble, el("div", { class: "row end" }, go)),
        el("section", { class: "card", "aria-label": "Answers" }, el("h2", {}, "Answers from the node"), empty, list)),
    );
  },
};
