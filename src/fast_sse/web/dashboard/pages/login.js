// The key, once; the node keeps the session, and this page keeps nothing.

import { ask, explained } from "../api.js";
import { el, field, say } from "../dom.js";

export const login = {
  title: "Sign in",
  show(main, { entered }, signal) {
    const key = el("input", { type: "password", name: "key", autocomplete: "current-password", required: true });
    const trouble = el("p", { class: "word act", role: "alert", hidden: true });
    const go = el("button", { class: "main" }, "Sign in");
    const submit = async (event) => {
      event.preventDefault();
      go.disabled = true;
      trouble.hidden = true;
      try {
        await ask("POST", "v1/session", { body: { key: key.value }, signal });
        entered();
      } catch (error) {
        if (signal.aborted) return;
        say(trouble, error.status === 401 ? "That is not the key. The key is the setting admin.key of this node." : explained(error));
        trouble.hidden = false;
        go.disabled = false;
        key.select();
      }
    };
    const whose = el("input", { type: "text", name: "username", autocomplete: "username", value: "operator", hidden: true }); // for those who keep keys
    main.append(el("h1", {}, "Sign in"), el("form", { class: "card", on: { submit } }, whose,
      field("Admin key", key, "The setting admin.key. You stay signed in for 12 hours, or until the key changes."),
      trouble, el("div", { class: "row end" }, go)));
    key.focus();
  },
};
