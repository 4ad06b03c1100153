// The demo page: publishes, listens twice, and shows what became of each message. The parts are in demo/.
//
//   words, dom    what it says, and small things
//   stage         dots that run and pile up
//   hub           addresses, which process it is, its end
//   publisher     messages on their way to the hub
//   rows          what one arrival looks like
//   subscriber    one EventSource and all that it received
//   curl          the same for a shell

import { copy, showCurl } from "./demo/curl.js";
import { $, facts, guide } from "./demo/dom.js";
import { kill, watch } from "./demo/hub.js";
import { publishMany } from "./demo/publisher.js";
import { Subscriber } from "./demo/subscriber.js";
import { GUIDES } from "./demo/words.js";

const step = { begun: false, arrived: false, resumed: false };

/** What to try next: each hint once. */
function told(what, subscriber) {
  if (what === "open" && !step.begun) {
    step.begun = true;
    guide(GUIDES.begin);
  } else if (what === "arrived" && !step.arrived) {
    step.arrived = true;
    guide(GUIDES.arrived);
  } else if (what === "back") {
    const said = subscribers.map(({ sentence }) => sentence).filter(Boolean).join(" ");
    const next = $("kill").disabled || step.resumed === "killed" ? "" : " Now kill the hub.";
    guide(said + next, "back");
  }
}

const subscribers = [new Subscriber("A", "B", told), new Subscriber("B", "A", told)];
const [first] = subscribers;
const options = () => facts.channels.map(({ id, type }, at) => new Option(`${id} / ${type}`, at));

$("target").replaceChildren(...options());
for (const subscriber of subscribers) {
  const source = subscriber.at("source");
  source.replaceChildren(...options());
  source.addEventListener("change", () => {
    subscriber.listen(facts.channels[source.value]);
    showCurl(first.channel);
  });
}
$("publish").addEventListener("submit", (event) => {
  event.preventDefault();
  publishMany(1, subscribers);
});
$("publish-five").addEventListener("click", () => publishMany(5, subscribers));
for (const [field, event] of [["data", "input"], ["target", "change"]]) $(field).addEventListener(event, () => showCurl(first.channel));
$("kill").addEventListener("click", () => {
  step.resumed = "killed";
  kill();
});
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));

$("version").textContent = facts.version;
for (const link of document.querySelectorAll("[data-doc]")) {
  if (facts.documents.includes(link.dataset.doc)) link.href = `docs/${link.dataset.doc}`;
  else link.parentElement.hidden = true;
}
if (facts.admin_port) {
  $("dashboard").hidden = false;
  $("dashboard").querySelector("a").href = `${location.protocol}//${location.hostname}:${facts.admin_port}/`;
}
watch();
for (const subscriber of subscribers) subscriber.listen(facts.channels[0]);
showCurl(first.channel);
