// A consumer that treats a stream as the original's load script does: every event counts, whatever its name, every data
// must be JSON, and what says `encoding` is base64 of gzip of JSON. Each stream ends with the message "end".
//
//     node load_script.mjs < streams.json     [{"url": …, "signature": …}, …]
//
// Says `open` when all streams are, and in the end one line of JSON: what was counted.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const counted = { received: 0, sizes: 0, packed: 0, errors: [], seen: [], latencies: 0 };

function onEvent(event, seen) {
  counted.received += 1;
  counted.sizes += event.data.length;
  if (!event.data || event.data.trim() === "") return false;
  let payload;
  try {
    payload = JSON.parse(event.data);
  } catch (problem) {
    counted.errors.push(`no JSON: ${event.data.slice(0, 80)}: ${problem}`);
    return false;
  }
  if (typeof payload !== "object" || payload === null) {
    counted.errors.push(`no object: ${event.data.slice(0, 80)}`);
    return false;
  }
  if (payload.encoding) {
    try {
      payload = JSON.parse(gunzipSync(Buffer.from(payload.data, "base64")).toString());
      counted.packed += 1;
    } catch (problem) {
      counted.errors.push(`cannot be unpacked: ${problem}`);
      return false;
    }
  }
  const latency = Date.now() - new Date(payload.headers?.send_time).getTime();
  if (Number.isNaN(latency)) counted.errors.push(`no send_time: ${JSON.stringify(payload).slice(0, 80)}`);
  else counted.latencies += 1;
  seen.push(payload.data?.n ?? payload.data);
  return payload.data === "end";
}

async function consume({ url, signature }) {
  const answer = await fetch(url, { headers: { "x-signature": signature, Accept: "text/event-stream" } });
  if (answer.status !== 200) counted.errors.push(`${answer.status}: ${await answer.text()}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  return { reader, rest: first.value };
}

async function read({ reader, rest }) {
  const seen = [];
  counted.seen.push(seen);
  let event = { event: "message", data: "" };
  for (;;) {
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (line === "" && (event.id || event.data)) {
        if (onEvent(event, seen)) return reader.cancel();
        event = { event: "message", data: "" };
      } else if (field) event[field] = value;
    }
    const { done, value } = await reader.read();
    if (done) return counted.errors.push("the stream ended");
    rest += value;
  }
}

const streams = await Promise.all(JSON.parse(readFileSync(0, "utf8")).map(consume));
console.log("open");
await Promise.all(streams.map(read));
console.log(JSON.stringify(counted));
