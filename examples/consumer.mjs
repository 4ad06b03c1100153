// Consume a stream of a Fast SSE hub in Node (20 or newer) and lose nothing, however often this is killed. No package.
//
//     export SIGNATURE=$(fast-sse sign carid000001 cart_changed --quiet)
//     node examples/consumer.mjs http://127.0.0.1:30000/v1/subscribe/events/carid000001/types/cart_changed cart.cursor
//
// The cursor is kept in a file after the work, never before: when this is killed between the two, that message comes
// again, so doing it twice must be as good as once. Where the work is a transaction, keep the cursor in it: consumer.py.

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const SILENCE_MS = 60_000; // four heartbeats: then the connection is dead

// Where to go on. With nothing kept, the earliest: what was published before the first start counts, too.
function kept(path) {
  const cursor = existsSync(path) ? readFileSync(path, "utf8") : "";
  if (/^[A-Za-z0-9._~-]{1,128}$/.test(cursor)) return cursor;
  console.error(`no cursor in ${path}: from the earliest`);
  return "earliest";
}

// Replaces the file in one step: it holds the old cursor or the new one, whole.
function keep(path, cursor) {
  const file = openSync(`${path}.new`, "w"); // beside it: a rename does not leave its file system
  writeSync(file, cursor);
  fsyncSync(file); // else a power cut may keep the name and lose what is in it
  closeSync(file);
  renameSync(`${path}.new`, path);
  const directory = openSync(dirname(path), "r");
  fsyncSync(directory); // the name
  closeSync(directory);
}

// All that moves the cursor, over reconnects. Throws when there is no coming back.
async function* blocks(url, cursor) {
  let waitMs = 2000;
  for (;;) {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const headers = { Accept: "text/event-stream", "x-signature": process.env.SIGNATURE, "Last-Event-ID": cursor };
    const answer = await fetch(url, { headers, signal: silence.signal }).catch((problem) => ({ status: 503, problem }));
    if (answer.status !== 200 && answer.status < 500 && answer.status !== 429) {
      throw new Error(`${answer.status}: ${await answer.text()}`);
    }
    try {
      if (answer.status !== 200) throw answer.problem ?? new Error(`${answer.status}`);
      const decoder = new TextDecoder();
      let rest = "";
      let block = {};
      for await (const bytes of answer.body) {
        timer.refresh();
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const field = line.split(":", 1)[0];
          const value = line.slice(field.length + 1).replace(/^ /, "");
          if (field === "retry" && /^\d+$/.test(value)) waitMs = Number(value);
          else if (field === "data" && "data" in block) block.data += `\n${value}`;
          else if (["id", "event", "data"].includes(field)) block[field] = value;
          else if (line === "") {
            // Only now: a block that was cut off is asked for again.
            if (block.id) yield { cursor: (cursor = block.id), name: block.event ?? "", data: block.data ?? "" };
            block = {};
          }
        }
      }
    } catch (problem) {
      console.error("coming back after", problem.cause?.message ?? problem.message);
    } finally {
      clearTimeout(timer);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

const [url, path] = process.argv.slice(2);
for await (const { cursor, name, data } of blocks(url, kept(path))) {
  if (name === "fast-sse.gap") console.error("gap", data); // messages are missing: fetch the state anew here
  // What the hub says itself is no work, but its cursor counts.
  if (data && !name.startsWith("fast-sse.")) console.log(cursor, JSON.stringify(JSON.parse(data).data)); // the work
  keep(path, cursor);
  // Coming back with the same signature would be told the same, for ever.
  if (name === "fast-sse.expired") throw new Error("the signature has run out");
}
