// A notification that must arrive, in Node (20 or newer): publish it, wait until the app says that it has it, else take another
// way. No package.
//
//     export FAST_SSE_SECRET=...
//     node examples/must_arrive.mjs http://127.0.0.1:30000 user-17 alarm '{"text": "your parcel is at the door"}' 10
//
// That a message was written to a socket does not mean that a person has it: the phone may be in a tunnel. So the app acks what
// it shows (`POST /v1/messages/{id}/ack`), and this waits for that. When no ack comes in time, `byMail` is called, here a line
// that is printed. When it cannot be known, it is called, too: two notifications are better than none.

import { createHmac, randomUUID } from "node:crypto";

// Answers after which a later try may end otherwise; 404: another node answered, which has not read the message yet.
const LATER = new Set([408, 429, 502, 503, 504, 507]);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The `data` of one answer. Throws for a refusal, with `again` where a later try may end otherwise.
async function ask(url, init) {
  let answer;
  try {
    answer = await fetch(url, { ...init, signal: AbortSignal.timeout(5000) });
  } catch (problem) {
    throw Object.assign(new Error(problem.cause?.message ?? problem.message), { again: true });
  }
  const text = await answer.text();
  if (answer.status === 200) return JSON.parse(text).data;
  throw Object.assign(new Error(`${answer.status}: ${text}`), { again: LATER.has(answer.status), status: answer.status });
}

// Publishes, waits for an ack, else calls `otherwise` with the data and why. The state at the end.
export async function notify(hub, secret, [eventId, eventType], data, waitS, otherwise) {
  const ends = performance.now() + waitS * 1000;
  const [id, type] = [eventId, eventType].map(encodeURIComponent);
  const headers = {
    "Content-Type": "application/json",
    "x-signature": createHmac("sha256", secret).update(`${eventId}:${eventType}`).digest("hex"),
  };
  let state = "unknown";
  try {
    const messageId = await published(`${hub}/v1/sse/events/${id}/types/${type}`, headers, data, ends);
    const url = `${hub}/v1/messages/${encodeURIComponent(messageId)}/delivery?channel=${id}/${type}`;
    for (let wait = 100; ; wait = Math.min(2 * wait, 1000)) {
      try {
        state = (await ask(url, { headers })).state;
      } catch (problem) {
        if (!problem.again && problem.status !== 404) throw problem;
      }
      if (state === "acked" || state === "dead" || performance.now() + wait > ends) break;
      await pause(wait);
    }
  } catch (problem) {
    state = problem.message;
  }
  if (state !== "acked") await otherwise(data, state);
  return state;
}

// The id of the message, tried again under one key until it is stored.
async function published(url, headers, data, ends) {
  const init = { method: "POST", headers: { ...headers, "Idempotency-Key": randomUUID() }, body: JSON.stringify({ data }) };
  for (let wait = 100; ; wait = Math.min(2 * wait, 2000)) {
    try {
      return (await ask(url, init)).message_id;
    } catch (problem) {
      if (!problem.again || performance.now() + wait > ends) throw problem;
    }
    await pause(wait);
  }
}

// The other way. Put your mail here.
function byMail(data, why) {
  console.log("mail", JSON.stringify(data), `(${why})`);
}

const [hub, eventId, eventType, data, waitS] = process.argv.slice(2);
const channel = [eventId, eventType];
const state = await notify(hub, process.env.FAST_SSE_SECRET, channel, JSON.parse(data), Number(waitS ?? 10), byMail);
if (state === "acked") console.log("acked");
