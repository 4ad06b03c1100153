// The rows of what arrived.

import { element, messages, seconds } from "./dom.js";
import { me } from "./publisher.js";
import { GAP_REASONS } from "./words.js";

export function parsed(text) {
  try {
    const { data, headers } = JSON.parse(text);
    return { data: JSON.stringify(data), headers: headers ?? {} };
  } catch {
    return { data: text, headers: {} };
  }
}

/** Whether this page published it. */
export const isMine = (headers) => (headers["published-by"] ?? "").startsWith(`${me} `);

/** When a message was published, in ms: the publisher's own clock, else the hub's (local time, no zone), else NaN. */
export function publishedAt(headers) {
  const own = headers["published-at"] ?? "";
  return own === "" ? Date.parse((headers.send_time ?? "").replace(" ", "T")) : Number(own);
}

function latency(headers, at, replayed) {
  const ms = Date.now() - at;
  if (Number.isNaN(ms)) return "";
  if (replayed) return `${seconds(ms)} later`;
  if (headers["published-at"] === undefined) return `sent ${headers.send_time.slice(11)} by the hub's clock`;
  return ms < 0 ? "publisher's clock is ahead" : `${ms} ms`;
}

export function messageRow({ id, data, headers, at, replayed, again }) {
  const kind = again ? "again" : replayed ? "replayed" : "live";
  const row = element("li", `message ${kind}`);
  const line = element("div", "line");
  line.append(element("span", "number", isMine(headers) ? headers["published-by"].split(" ")[1] : "from elsewhere"));
  line.append(element("span", "badge", again ? "a second time" : kind));
  if (headers.event_id !== undefined) line.append(element("span", "channel", `${headers.event_id} / ${headers.event_type}`));
  line.append(element("span", "latency", latency(headers, at, replayed)));
  row.append(line, element("code", "data", data), element("span", "id", `id: ${id}`));
  return row;
}

/** `lost`: how many that were waiting may not come. */
export function gapRow(reason, text, lost) {
  const row = element("li", "gap");
  const behind = lost ? ` ${messages(lost)} published meanwhile may be missing.` : "";
  row.append(
    element("strong", "", `Gap: ${reason}`),
    element("span", "", `The hub cannot continue exactly: ${GAP_REASONS[reason] ?? reason}.${behind}`),
    element("div", "id", text),
  );
  return row;
}
