// Publishes with fetch, one message at a time, so that the numbers are the order of the log. What got no answer is sent
// again with the same idempotency key until the hub says yes or no.

import { $, element, facts, guide, hex, prepend, sleep } from "./dom.js";
import { matches, publishPath } from "./hub.js";
import { Lane, Tray } from "./stage.js";
import * as words from "./words.js";

const OUTBOX_MAX = 12;
const RETRY_MS = 400;
const SLOW_MS = 4000;

/** A mark of this page, for what it published. */
export const me = hex(4);

const lane = new Lane($("lane-out"));
const tray = new Tray($("tray-out"));
let numbered = 0;
let published = 0;
let queue = 0; // messages without an answer
let turn = Promise.resolve();

function showQueue() {
  const answers = $("publisher").dataset.answers !== "no";
  const count = answers ? Math.max(0, queue - 1) : queue; // the first is on its way, unless nobody answers
  $("queued").textContent = count;
  $("publisher").classList.toggle("waits-here", count > 0);
  tray.set(count);
}

function hasAnswers(answers) {
  $("publisher").dataset.answers = answers ? "yes" : "no";
  showQueue();
}

function bodyOf(data, number) {
  const headers = { "published-at": String(Date.now()), "published-by": `${me} #${number}` };
  return `{"data": ${data}, "headers": ${JSON.stringify(headers)}}`; // data is checked JSON and goes as it was typed
}

function verdict(row, className, text, id = "") {
  row.className = className;
  row.querySelector(".verdict").textContent = text;
  row.querySelector(".id").textContent = id;
}

function line(number) {
  const row = element("li", "queued");
  row.append(element("span", "number", `#${number}`), element("span", "verdict", "queued"), element("span", "id"));
  return prepend($("outbox"), row, OUTBOX_MAX);
}

/** Until the hub has said yes or no. */
async function publish(to, data, number, row, subscribers) {
  verdict(row, "sends", "sending");
  const body = bodyOf(data, number);
  const headers = { "Content-Type": "application/json", "x-signature": to.signature, "Idempotency-Key": hex(16) };
  const watchers = subscribers.map((subscriber) => subscriber.expecting());
  const slow = setTimeout(guide, SLOW_MS, words.GUIDES.slow);
  for (;;) {
    try {
      const answer = await fetch(publishPath(to), { method: "POST", headers, body });
      const said = await answer.json();
      if (answer.ok) {
        stored(row, to, said.data, watchers);
        break;
      }
      if (answer.status < 500 && answer.status !== 429) {
        verdict(row, "refused", `refused: ${said.code}`);
        break;
      }
    } catch {
      // No answer: it may be stored or not, and the key makes it safe to ask again.
    }
    clearTimeout(slow);
    hasAnswers(false);
    verdict(row, "retrying", "no answer, trying again with the same key");
    await sleep(RETRY_MS);
  }
  clearTimeout(slow);
  queue -= 1;
  hasAnswers(true);
}

function stored(row, to, data, watchers) {
  published += 1;
  $("published").textContent = published;
  lane.run("live");
  verdict(row, "stored", `stored (${data.durability})${data.duplicate ? ", only once" : ""}`, data.message_id);
  for (const expects of watchers) expects((pattern) => matches(to, pattern), data.message_id);
}

/** The text of the data field, or null when it is not JSON, which is then said. */
function checkedData() {
  let problem = "";
  try {
    JSON.parse($("data").value);
  } catch (error) {
    problem = `Not JSON: ${error.message}`;
  }
  $("data-error").textContent = problem;
  $("data").setAttribute("aria-invalid", String(problem !== ""));
  if (problem) $("data").focus();
  return problem ? null : $("data").value.trim();
}

export function publishMany(count, subscribers) {
  const data = checkedData();
  if (data === null) return;
  const to = facts.channels[$("target").value];
  for (let i = 0; i < count; i += 1) {
    numbered += 1;
    queue += 1;
    const [number, row] = [numbered, line(numbered)];
    turn = turn.then(() => publish(to, data, number, row, subscribers));
  }
  showQueue();
}
