// The demo page: publishes with fetch, listens with the browser's own EventSource, and shows what became of each
// message. Three rules: text from outside enters the page through textContent only; ids are opaque and never
// compared but for equality; "waiting" and "twice" are counted by the ids that the hub itself answered with.

const $ = (id) => document.getElementById(id);
const channels = JSON.parse($("channels").textContent); // [{id, type, signature}]
const GAP_REASONS = {
  trimmed: "what came next has been trimmed from the log; all that is kept follows",
  epoch: "the id is of another log, a new or a restored one; all that is kept follows",
  lost_tail: "the hub lost the end of its log, a part that this page had seen",
  ahead: "the id is newer than the log; it goes on from now",
  unreadable: "the id could not be read; it goes on from now",
};
const STATES = {
  connecting: "connecting",
  open: "live",
  retrying: "lost; the browser reconnects by itself",
  dropped: "dropped by you",
  refused: "refused; reload the page",
};
const GUIDES = {
  begin: "Publish something: it arrives here.",
  arrived: "Now drop the connection, and publish some more.",
  dropped: "Nothing arrives now. Publish a few, then resume.",
  retrying: "No connection. The browser tries again by itself, with the last id that it saw.",
  slow: "Still connecting. Over plain HTTP/1.1 a browser opens six connections to a host, streams in other tabs included.",
  refused: "The hub refused the signature: it may have been started with another secret.",
};
const ROWS_MAX = 200;
const OUTBOX_MAX = 6;
const RETRY_MS = 500;
const SLOW_MS = 4000;

const me = hex(4);
const counts = { published: 0, arrived: 0, replayed: 0, gaps: 0, twice: 0 };
/** Ids that the hub acknowledged, that belong on this stream, and that are not here yet. */
const waiting = new Set();
/** Ids that arrived since the channel was chosen. */
const seen = new Set();
let numbered = 0;

/** One choice of a channel: its EventSource, or none while dropped, and where it is. */
const stream = { choice: 0, channel: null, source: null, cursor: "", opens: 0, openedAt: 0, lostAt: 0, row: null, missed: 0 };

// -- small things ------------------------------------------------------------------------------------------

function hex(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The hub's rule: each of the two halves is equal, or is * on either side. */
function matches(record, pattern) {
  const half = (one, other) => one === other || one === "*" || other === "*";
  return half(record.id, pattern.id) && half(record.type, pattern.type);
}

const segment = (text) => encodeURIComponent(text).replaceAll("%2A", "*");
const publishPath = (to) => `v1/sse/events/${segment(to.id)}/types/${segment(to.type)}`;
const subscribePath = (to) => `v1/subscribe/events/${segment(to.id)}/types/${segment(to.type)}`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const messages = (count) => (count === 1 ? "1 message" : `${count} messages`);
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

function showCounts() {
  for (const [name, count] of Object.entries(counts)) $(name).textContent = count;
  $("waiting").textContent = waiting.size;
  $("waits").classList.toggle("some", waiting.size > 0);
  $("losses").classList.toggle("some", counts.gaps + counts.twice > 0);
}

function guide(text, className = "") {
  $("guide").textContent = text;
  $("guide").className = `guide ${className}`;
}

function prepend(list, row, most) {
  list.prepend(row);
  while (list.children.length > most) list.lastElementChild.remove();
  $(`${list.id}-empty`).hidden = true;
  return row;
}

function setState(state) {
  clearTimeout(slow);
  if (state === "connecting") slow = setTimeout(guide, SLOW_MS, GUIDES.slow);
  $("state").dataset.state = state;
  $("state").textContent = STATES[state];
  $("road").dataset.state = state === "open" ? "up" : "down";
  const dropped = state === "dropped";
  const focused = [$("drop"), $("resume"), $("resume-broken")].includes(document.activeElement);
  $("drop").hidden = dropped;
  $("resume").hidden = $("resume-broken").hidden = !dropped;
  $("drop").disabled = state === "refused";
  if (focused) $(dropped ? "resume" : "drop").focus(); // a keyboard stays where the action is
}
let slow;

// -- publish -----------------------------------------------------------------------------------------------

function bodyOf(data, number) {
  const headers = { "published-at": String(Date.now()), "published-by": `${me} #${number}` };
  return `{"data": ${data}, "headers": ${JSON.stringify(headers)}}`; // data is checked JSON and goes as it was typed
}

/** A message that waits for its turn to be sent. */
function queued(to, data) {
  numbered += 1;
  const row = element("li", "");
  row.append(element("span", "number", `#${numbered}`), element("span", "verdict", "sending"), element("span", "id"));
  return { to, data, number: numbered, row: prepend($("outbox"), row, OUTBOX_MAX) };
}

function verdict(row, className, text, id = "") {
  row.className = className;
  row.querySelector(".verdict").textContent = text;
  row.querySelector(".id").textContent = id;
}

/** Publish one message: again with the same idempotency key until the hub says yes or no. */
async function publish({ to, data, number, row }) {
  const body = bodyOf(data, number);
  const headers = { "Content-Type": "application/json", "x-signature": to.signature, "Idempotency-Key": hex(16) };
  const choice = stream.cursor ? stream.choice : 0; // a stream without a cursor yet may begin behind this message
  for (;;) {
    try {
      const answer = await fetch(publishPath(to), { method: "POST", headers, body });
      const said = await answer.json();
      if (answer.ok) {
        stored(row, to, said.data, choice === stream.choice);
        return;
      }
      if (answer.status < 500 && answer.status !== 429) {
        verdict(row, "refused", `refused: ${said.code}`);
        return;
      }
    } catch {
      // No answer: it may be stored or not, and the key makes it safe to ask again.
    }
    verdict(row, "retrying", "no answer; trying again with the same key");
    await sleep(RETRY_MS);
  }
}

function stored(row, to, data, covered) {
  counts.published += 1;
  if (covered && matches(to, stream.channel) && !seen.has(data.message_id)) waiting.add(data.message_id);
  verdict(row, "stored", `stored (${data.durability})${data.duplicate ? ", once" : ""}`, data.message_id);
  $("durability").textContent = `acknowledged by the hub (${data.durability})`;
  showCounts();
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
  return problem ? null : $("data").value.trim();
}

function publishMany(count) {
  const data = checkedData();
  if (data === null) return;
  const to = channels[$("target").value];
  for (let i = 0; i < count; i += 1) {
    const message = queued(to, data);
    publishing = publishing.then(() => publish(message)); // one at a time: the numbers are the order of the log
  }
}
let publishing = Promise.resolve();

// -- listen ------------------------------------------------------------------------------------------------

const streamUrl = (cursor) =>
  `${subscribePath(stream.channel)}?${new URLSearchParams({ signature: stream.channel.signature, last_event_id: cursor })}`;

/**
 * Where the log is now, or null when the hub refuses. EventSource keeps the id that opens a stream to itself, so it is
 * read from a stream that is left at once.
 */
async function newestCursor() {
  const leave = new AbortController();
  const answer = await fetch(streamUrl(""), { headers: { Accept: "text/event-stream" }, signal: leave.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    if (answer.status >= 400 && answer.status < 500) return null;
    for (let text = ""; answer.ok; ) {
      const { value, done } = await reader.read();
      text += value ?? "";
      const found = /^id: ?(.+)\n/m.exec(text);
      if (found) return found[1];
      if (done) break;
    }
    throw new Error(`no cursor, status ${answer.status}`);
  } finally {
    leave.abort();
  }
}

/** Begin at the newest record of a channel. A later choice makes an earlier one give up. */
async function listen(channel) {
  const choice = stream.choice + 1;
  stream.source?.close();
  Object.assign(stream, { choice, channel, source: null, cursor: "", opens: 0, lostAt: Date.now(), row: null });
  waiting.clear();
  seen.clear();
  showCounts();
  showCurl();
  setState("connecting");
  for (;;) {
    const cursor = await newestCursor().catch(() => "");
    if (choice !== stream.choice) return;
    if (cursor === null) {
      lost("refused");
      return;
    }
    if (cursor) {
      stream.cursor = cursor;
      open(cursor);
      return;
    }
    await sleep(RETRY_MS);
  }
}

function open(cursor) {
  setState("connecting");
  const source = new EventSource(streamUrl(cursor));
  const mine = (act) => (event) => { if (stream.source === source) act(event); };
  stream.source = source;
  source.onopen = mine(opened);
  source.onerror = mine(() => lost(source.readyState === EventSource.CLOSED ? "refused" : "retrying"));
  source.onmessage = mine(arrived);
  source.addEventListener("fast-sse.gap", mine(gap));
}

function opened() {
  stream.opens += 1;
  stream.openedAt = Date.now();
  stream.missed = 0;
  setState("open");
  if (stream.opens === 1) {
    guide(GUIDES.begin);
    return;
  }
  stream.row = prepend($("log"), element("li", "turn"), ROWS_MAX);
  sayMissed();
}

/** A connection ended, by the button or not. */
function lost(state) {
  if ($("state").dataset.state === "open") {
    stream.lostAt = Date.now();
    const text = state === "dropped" ? "You dropped the connection" : "The connection was lost";
    prepend($("log"), element("li", "turn", text), ROWS_MAX);
  }
  setState(state);
  guide(GUIDES[state], "away");
}

function sayMissed() {
  const missed = stream.missed ? messages(stream.missed) : "nothing";
  const rest = waiting.size ? `, ${waiting.size} to come` : stream.missed ? "; nothing published here is missing" : "";
  stream.row.textContent = `Back after ${seconds(stream.openedAt - stream.lostAt)}: ${missed} replayed`;
  guide(`${stream.row.textContent}${rest}.`, "back");
}

function drop() {
  if (!stream.cursor) stream.choice += 1; // one that still looks for its beginning gives up
  stream.source?.close();
  stream.source = null;
  lost("dropped");
}

function resume(cursor) {
  if (stream.cursor) open(cursor);
  else listen(stream.channel);
}

// -- what arrives ------------------------------------------------------------------------------------------

function parsed(text) {
  try {
    const { data, headers } = JSON.parse(text);
    return { data: JSON.stringify(data), headers: headers ?? {} };
  } catch {
    return { data: text, headers: {} };
  }
}

/** When a message was published, in ms: the publisher's own clock, else the hub's (local time, no zone), else NaN. */
function publishedAt(headers) {
  const own = headers["published-at"] ?? "";
  return own === "" ? Date.parse((headers.send_time ?? "").replace(" ", "T")) : Number(own);
}

function latency(headers, at, replayed) {
  const ms = Date.now() - at;
  if (Number.isNaN(ms)) return "";
  if (replayed) return `${seconds(ms)} after it was published`;
  if (headers["published-at"] === undefined) return `sent ${headers.send_time.slice(11)} by the hub's clock`;
  return ms < 0 ? "publisher's clock is ahead" : `${ms} ms`;
}

function arrived(event) {
  const id = event.lastEventId;
  const { data, headers } = parsed(event.data);
  const at = publishedAt(headers);
  const replayed = stream.opens > 1 && at < stream.openedAt;
  const again = seen.has(id);
  stream.cursor = id;
  seen.add(id);
  waiting.delete(id);
  counts.arrived += 1;
  counts.replayed += replayed;
  counts.twice += again;
  if (replayed) {
    stream.missed += 1;
    sayMissed();
  } else if (counts.arrived === 1) {
    guide(GUIDES.arrived);
  }
  prepend($("log"), messageRow({ id, data, headers, replayed, again, took: latency(headers, at, replayed) }), ROWS_MAX);
  showCounts();
}

function messageRow({ id, data, headers, replayed, again, took }) {
  const [by, number] = (headers["published-by"] ?? "").split(" ");
  const kind = again ? "again" : replayed ? "replayed" : "live";
  const row = element("li", `message ${kind}`);
  const line = element("div", "line");
  line.append(element("span", "badge", again ? "a second time" : kind));
  line.append(element("span", "number", by === me ? number : "from elsewhere"));
  if (headers.event_id !== undefined) line.append(element("span", "channel", `${headers.event_id} / ${headers.event_type}`));
  line.append(element("span", "latency", took));
  row.append(line, element("code", "data", data), element("span", "id", `id: ${id}`));
  return row;
}

/** The hub cannot go on exactly and says so; what was waiting may not come. */
function gap(event) {
  const { reason } = JSON.parse(event.data);
  counts.gaps += 1;
  stream.cursor = event.lastEventId;
  const row = element("li", "gap");
  const behind = waiting.size ? ` ${messages(waiting.size)} published meanwhile may be on the other side of it.` : "";
  waiting.clear();
  row.append(
    element("strong", "", `Gap: ${reason}`),
    element("span", "", `The hub cannot continue exactly: ${GAP_REASONS[reason] ?? reason}.${behind}`),
    element("div", "id", event.data),
  );
  prepend($("log"), row, ROWS_MAX);
  guide("The hub cannot continue where this page was, and says so: a gap.", "gap");
  $("alarm").textContent = row.textContent;
  showCounts();
}

// -- curl --------------------------------------------------------------------------------------------------

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function showCurl() {
  const to = channels[$("target").value];
  const from = stream.channel;
  const url = (path) => quoted(new URL(path, document.baseURI).href);
  $("curl-publish").textContent = [
    `curl ${url(publishPath(to))}`,
    `-H 'x-signature: ${to.signature}'`,
    "-H 'Content-Type: application/json'",
    `-d ${quoted(`{"data": ${$("data").value.trim()}}`)}`,
  ].join(" \\\n  ");
  $("curl-subscribe").textContent = [`curl -N ${url(subscribePath(from))}`, `-H 'x-signature: ${from.signature}'`].join(" \\\n  ");
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText($(button.dataset.copies).textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($(button.dataset.copies));
    button.textContent = "Selected";
  }
}

// -- start -------------------------------------------------------------------------------------------------

for (const list of [$("source"), $("target")]) {
  list.replaceChildren(...channels.map(({ id, type }, at) => new Option(`${id} / ${type}`, at)));
}
$("publish").addEventListener("submit", (event) => {
  event.preventDefault();
  publishMany(1);
});
$("publish-five").addEventListener("click", () => publishMany(5));
$("data").addEventListener("input", showCurl);
$("target").addEventListener("change", showCurl);
$("source").addEventListener("change", () => listen(channels[$("source").value]));
$("drop").addEventListener("click", drop);
$("resume").addEventListener("click", () => resume(stream.cursor));
$("resume-broken").addEventListener("click", () => resume("not-an-id"));
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
listen(channels[0]);
