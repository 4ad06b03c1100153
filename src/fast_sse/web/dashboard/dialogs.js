// Questions before something that cannot be taken back, and what came of it. `<dialog>` keeps the focus, and gives it
// back to the button that opened it.

import { explained } from "./api.js";
import { button, el, field, say } from "./dom.js";

let fading = 0;

/** Say what was done, for a while. */
export function tell(text) {
  const toast = document.getElementById("toast");
  clearTimeout(fading);
  toast.textContent = text;
  fading = setTimeout(() => { toast.textContent = ""; }, 6000);
}

let titles = 0;

/** Open a dialog over the page: `{node, body, close}`; it is gone once it is closed, and closed when `signal` aborts. */
export function open(title, { signal, onClose = () => {} } = {}) {
  titles += 1;
  const heading = el("h2", { id: `dialog-${titles}` }, title);
  const body = el("div", { class: "loaded" });
  const node = el("dialog", { "aria-labelledby": heading.id }, heading, body);
  node.addEventListener("close", () => {
    node.remove();
    onClose();
  });
  document.body.append(node);
  signal?.addEventListener("abort", () => node.close());
  node.showModal();
  return { node, body, close: () => node.close() };
}

/**
 * Ask, and act on yes. The dialog stays while it acts, and says what went wrong.
 *
 * @param words   what will happen, as texts or nodes
 * @param typed   a text that has to be typed again first
 * @param fields  [{name, label, ...}] of further inputs; their values come to `act` by name
 * @param act     (values) => promise; what it returns is told
 */
export function ask({ title, words, typed = "", fields = [], yes, danger = true, act, signal }) {
  const { body, close } = open(title, { signal });
  const trouble = el("p", { class: "word act", role: "alert", hidden: true });
  const inputs = fields.map(({ name, label, hint, ...attributes }) => ({
    name, label, hint, control: el("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes }),
  }));
  const again = el("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const go = el("button", { class: danger ? "danger" : "main", disabled: typed !== "" }, yes);
  again.addEventListener("input", () => { go.disabled = again.value !== typed; });
  const submit = async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    trouble.hidden = true;
    try {
      const values = Object.fromEntries(inputs.map(({ name, control }) => [name, control.value]));
      tell(await act(values));
      close();
    } catch (error) {
      say(trouble, explained(error));
      trouble.hidden = false;
      go.disabled = false;
    }
  };
  body.append(el("form", { class: "loaded", on: { submit } },
    ...[words].flat().map((each) => (typeof each === "string" ? el("p", {}, each) : each)),
    inputs.map(({ label, control, hint }) => field(label, control, hint)),
    typed ? field(`Type ${typed} to confirm`, again) : null,
    trouble,
    el("div", { class: "row end" }, button("Cancel", close), go)));
}
