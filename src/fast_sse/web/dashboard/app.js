// The frame around the pages: who is in, which page is shown, and how fresh the numbers are.

import { ask, explained, get, session } from "./api.js";
import { tell } from "./dialogs.js";
import { el, say } from "./dom.js";
import { ago } from "./format.js";
import { age, forget, listen, now, watch } from "./live.js";
import { here, to } from "./routes.js";
import { login } from "./pages/login.js";
import { overview } from "./pages/overview.js";
import { channels } from "./pages/channels.js";
import { streams } from "./pages/streams.js";
import { messages } from "./pages/messages.js";
import { letters } from "./pages/letters.js";
import { publish } from "./pages/publish.js";
import { settings } from "./pages/settings.js";
import { nodes } from "./pages/nodes.js";

/** By their names in the address. Each is `{title, show(main, where, signal)}`; `signal` aborts when it is left. */
const PAGES = {
  overview, channels, streams, messages, "dead-letters": letters, publish, settings, nodes,
};
const AGAIN_MS = 2000;
const $ = (id) => document.getElementById(id);

let page = new AbortController();
let inside = null; // aborts when the session ends

function draw(shown, where, focus) {
  page.abort();
  page = new AbortController();
  const main = $("main");
  main.replaceChildren();
  document.title = `${shown.title} · Fast SSE`;
  document.body.classList.toggle("alone", shown === login || shown === waiting);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === where.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown.show(main, where, page.signal);
  if (!focus) return;
  scrollTo(0, 0);
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function show(focus) {
  const where = here();
  draw(PAGES[where.page] ?? missing, where, focus);
}

const missing = {
  title: "No such page",
  show: (main) => main.append(el("h1", {}, "No such page"), el("p", {}, el("a", { href: to("overview") }, "To the overview"))),
};

const waiting = {
  title: "Connecting",
  show: (main, { words }) => main.append(
    el("h1", {}, "Connecting"), el("p", { class: "word look" }, words, " This page tries again by itself."),
  ),
};

/** Show the pages, or ask for the key first, as soon as the node says which; `focus` goes to the page. */
async function enter(focus = false) {
  inside?.abort();
  inside = null;
  forget();
  $("fresh").hidden = $("sign-out").hidden = true;
  try {
    const { needed, signed_in: signed } = await get("v1/session");
    if (needed && !signed) {
      draw(login, { page: "", entered: () => enter(true) }, false);
      return;
    }
    inside = new AbortController();
    $("sign-out").hidden = !needed;
  } catch (error) {
    draw(waiting, { page: "", words: explained(error) }, false);
    setTimeout(enter, AGAIN_MS);
    return;
  }
  $("fresh").hidden = false;
  listen(inside.signal);
  watch(freshness, inside.signal);
  show(focus);
}

/** The line above: never silent about an old number. */
function freshness() {
  const { phase, why, frame, about } = now;
  const words = {
    connecting: why || "connecting",
    live: "live",
    behind: `last update ${ago(age())} ago`,
    lost: `last update ${ago(age())} ago, ${why || "reconnecting"}`,
  };
  $("fresh").dataset.phase = phase;
  document.body.classList.toggle("stale", phase !== "live");
  say($("fresh"), words[phase]);
  say($("node"), about ? `${frame?.node ?? about.node} · ${about.version}` : "");
  say($("spoken"), phase === "live" ? "" : phase === "connecting" ? "" : "The numbers are old: reconnecting.");
}

$("nav").append(el("ul", {}, Object.entries(PAGES).map(([name, { title }]) =>
  el("li", {}, el("a", { href: to(name), data: { page: name } }, title)))));
$("sign-out").addEventListener("click", async () => {
  try {
    await ask("DELETE", "v1/session");
    enter();
  } catch (error) {
    tell(`You are still signed in. ${explained(error)}`);
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the page's
  $("main").focus();
});
session.addEventListener("over", () => { if (inside) enter(); });
addEventListener("hashchange", () => { if (inside) show(true); });
enter();
