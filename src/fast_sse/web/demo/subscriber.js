// One subscriber: the browser's own EventSource on one channel, and what became of each message. Ids are opaque and never
// compared but for equality; "waiting" and "twice" are counted by the ids that the hub itself answered with.

import { $, element, guide, messages, prepend, seconds, sleep } from "./dom.js";
import { newestCursor, streamUrl, watch } from "./hub.js";
import { gapRow, isMine, messageRow, parsed, publishedAt } from "./rows.js";
import { Lane, RUN, Tray } from "./stage.js";
import * as words from "./words.js";

const ROWS_MAX = 100;
const RETRY_MS = 500;
const SLOW_MS = 4000;

export class Subscriber {
  #counts = { arrived: 0, replayed: 0, gaps: 0, twice: 0 };
  /** Ids that the hub acknowledged, that belong on this stream, and that are not here yet. */
  #waiting = new Set();
  /** Ids that arrived since the channel was chosen. */
  #seen = new Set();
  #choice = 0; // of a channel; a later one makes an earlier one give up
  #channel = null;
  #source = null; // its EventSource; none while dropped
  #cursor = "";
  #opens = 0;
  #openedAt = 0;
  #lostAt = 0;
  #turn = null; // the row that says how the last absence ended
  #missed = 0;
  #slow = 0;

  /** `name`: A or B. `told` is called when it came back, and when its first message arrived. */
  constructor(name, other, told) {
    this.name = name;
    this.other = other;
    this.told = told;
    this.sentence = ""; // how the last absence ended
    this.at = (part) => $(`${part}-${name.toLowerCase()}`);
    this.lane = new Lane(this.at("lane"));
    this.tray = new Tray(this.at("tray"));
    this.at("drop").addEventListener("click", () => this.drop());
    this.at("resume").addEventListener("click", () => this.resume(this.#cursor));
    this.at("resume-broken").addEventListener("click", () => this.resume("not-an-id"));
  }

  get channel() {
    return this.#channel;
  }

  #show() {
    for (const [name, count] of Object.entries(this.#counts)) this.at(name).textContent = count;
    this.at("waiting").textContent = this.#waiting.size;
    this.at("waits").classList.toggle("some", this.#waiting.size > 0);
    this.at("log").parentElement.classList.toggle("loss", this.#counts.gaps + this.#counts.twice > 0);
  }

  #setState(state) {
    clearTimeout(this.#slow);
    if (state === "connecting") this.#slow = setTimeout(guide, SLOW_MS, words.GUIDES.slow);
    this.at("state").dataset.state = state;
    this.at("state").textContent = words.STATES[state];
    this.at("subscriber").dataset.state = this.at("lane").dataset.state = state;
    const dropped = state === "dropped";
    const focused = [this.at("drop"), this.at("resume"), this.at("resume-broken")].includes(document.activeElement);
    this.at("drop").hidden = dropped;
    this.at("resume").hidden = this.at("resume-broken").hidden = !dropped;
    this.at("drop").disabled = state === "refused";
    if (focused) this.at(dropped ? "resume" : "drop").focus(); // a keyboard stays where the action is
  }

  #isOpen() {
    return this.at("state").dataset.state === "open";
  }

  // -- a channel, and its stream ---------------------------------------------------------------------------

  /** Begin at the newest record of a channel. */
  async listen(channel) {
    this.#choice += 1;
    const choice = this.#choice;
    this.#source?.close();
    this.sentence = "";
    this.#channel = channel;
    this.#source = this.#turn = null;
    this.#cursor = "";
    this.#opens = 0;
    this.#lostAt = Date.now();
    this.#waiting.clear();
    this.#seen.clear();
    this.tray.set(0);
    this.#show();
    this.#setState("connecting");
    for (;;) {
      const cursor = await newestCursor(channel).catch(() => "");
      if (choice !== this.#choice) return;
      if (cursor === null) {
        this.#lost("refused");
        return;
      }
      if (cursor) {
        this.#cursor = cursor;
        this.#open(cursor);
        return;
      }
      await sleep(RETRY_MS);
    }
  }

  #open(cursor) {
    this.#setState("connecting");
    const source = new EventSource(streamUrl(this.#channel, cursor));
    const mine = (act) => (event) => { if (this.#source === source) act(event); };
    this.#source = source;
    source.onopen = mine(() => this.#opened());
    source.onerror = mine(() => this.#lost(source.readyState === EventSource.CLOSED ? "refused" : "retrying"));
    source.onmessage = mine((event) => this.#arrived(event));
    source.addEventListener("fast-sse.gap", mine((event) => this.#gap(event)));
  }

  #opened() {
    this.#opens += 1;
    this.#openedAt = Date.now();
    this.#missed = 0;
    this.#setState("open");
    if (this.#opens === 1) {
      this.told("open", this);
      return;
    }
    this.#turn = prepend(this.at("log"), element("li", "turn"), ROWS_MAX);
    this.#sayBack();
  }

  #sayBack() {
    const rest = this.#waiting.size ? `, ${this.#waiting.size} to come` : ", none missing";
    const what = this.#missed ? `${messages(this.#missed)} replayed${rest}` : this.#waiting.size ? `${messages(this.#waiting.size)} to come` : "nothing was missed";
    const text = `ack after ${seconds(this.#openedAt - this.#lostAt)}: ${what}.`;
    this.#turn.textContent = `B${text}`;
    this.sentence = `${this.name} is b${text}`;
    this.told("back", this);
  }

  /** A connection ended, by the button or not. */
  #lost(state) {
    if (this.#isOpen()) {
      this.#lostAt = Date.now();
      const text = state === "dropped" ? "You dropped the connection" : "The connection was lost";
      prepend(this.at("log"), element("li", "turn", text), ROWS_MAX);
    }
    this.sentence = "";
    this.#setState(state);
    if (state === "dropped") guide(words.dropped(this.name, this.other), "away");
    else if ($("hub").dataset.state !== "killed") guide(words.GUIDES[state], "away");
    if (state === "retrying") watch();
  }

  drop() {
    if (!this.#cursor) this.#choice += 1; // one that still looks for its beginning gives up
    this.#source?.close();
    this.#source = null;
    this.#lost("dropped");
  }

  resume(cursor) {
    if (this.#cursor) this.#open(cursor);
    else this.listen(this.#channel);
  }

  // -- what arrives ----------------------------------------------------------------------------------------

  /** Called before a publish; what it returns is told what was stored, as a rule for channels and an id. */
  expecting() {
    const choice = this.#cursor ? this.#choice : 0; // a stream without a cursor yet may begin behind this message
    return (belongs, id) => {
      if (choice !== this.#choice || !belongs(this.#channel) || this.#seen.has(id)) return;
      this.#waiting.add(id);
      if (!this.#isOpen()) this.tray.set(this.#waiting.size);
      this.#show();
    };
  }

  #arrived(event) {
    const id = event.lastEventId;
    const { data, headers } = parsed(event.data);
    const at = publishedAt(headers);
    const replayed = this.#opens > 1 && at < this.#openedAt;
    const again = this.#seen.has(id);
    this.#cursor = id;
    this.#seen.add(id);
    this.#waiting.delete(id);
    this.#counts.arrived += 1;
    this.#counts.replayed += replayed;
    this.#counts.twice += again;
    prepend(this.at("log"), messageRow({ id, data, headers, at, replayed, again }), ROWS_MAX);
    this.#show();
    if (replayed) {
      this.lane.run("replayed", 0, () => this.tray.less());
      this.#missed += 1;
      this.#sayBack();
    } else {
      this.lane.run("live", isMine(headers) ? RUN : 0); // behind the dot that runs to the hub
      this.told("arrived", this);
    }
  }

  /** The hub cannot go on exactly and says so; what was waiting may not come. */
  #gap(event) {
    const { reason } = JSON.parse(event.data);
    const row = gapRow(reason, event.data, this.#waiting.size);
    this.#counts.gaps += 1;
    this.#cursor = event.lastEventId;
    this.#waiting.clear();
    this.tray.set(0);
    prepend(this.at("log"), row, ROWS_MAX);
    guide(words.GUIDES.gap, "gap");
    $("alarm").textContent = row.textContent;
    this.#show();
  }
}
