// The state of a node and its store in one sentence, and what to do where there is something to do.

import { ago, moment, plural } from "./format.js";

const STORES = { memory: "memory", sqlite: "SQLite", redis: "Redis", kafka: "Kafka" };
/** What an acknowledged message survives, by the word that publishers are told. */
const DURABLE = {
  fsync: "is on disk",
  process: "is in the memory of this process, and is lost when it ends",
  "redis-memory": "is in the memory of Redis",
  "redis-everysec": "is in Redis, and on its disk within two seconds",
  "redis-always": "is on the disk of Redis",
  "redis-no": "is in Redis, and on its disk when the kernel writes it",
  "redis-unknown": "is in Redis",
  "acks-all": "is on every in-sync replica of Kafka",
};
const RESTART_SHOWN_MS = 60_000;

const named = (name) => STORES[name] ?? name;
function durable({ durability }) {
  const [word, replicas] = durability.split("+wait");
  return `Every acknowledged message ${DURABLE[word] ?? `has the durability ${word}`}${replicas ? `, and on ${plural(Number(replicas), "replica")}` : ""}.`;
}

/**
 * `{kind, text, page}` of what `live.now` holds: kind is empty where all is well, `look`, `act`, or `off` where it is not
 * known; `page` is one that says more.
 */
export function stateWords({ phase, why, frame, restartedMs }, ageS, nowMs) {
  if (!frame) return { kind: "off", text: `Waiting for the first numbers from the node${why ? `: ${why}` : ""}.` };
  const { node, state, store, values } = frame;
  if (phase !== "live") {
    const next = phase === "lost" ? "This page reconnects by itself." : "The connection is open, but nothing arrives.";
    return { kind: "look", text: `No news from ${node} for ${ago(ageS)}: the numbers are from ${moment(frame.at_ms)}. ${next}` };
  }
  if (store.up === false) {
    return { kind: "act", text: `The store does not answer: publishes are refused, streams stay open and wait. Look at ${named(store.name)} first.` };
  }
  if (state === "draining") return { kind: "look", text: `${node} is draining: it ends its streams and tells their clients to reconnect.` };
  if (state !== "ready") return { kind: "look", text: `${node} is ${state}: it takes no publishes and no streams yet.` };
  if (!store.following) return { kind: "act", text: `${node} cannot read from ${named(store.name)} now. Messages are stored, but reach nobody here. Look at the log lines of ${node}.` };
  if (store.damaged) return { kind: "act", text: `A part of the stored messages of ${node} is unreadable. Its log lines say which. Restore a backup, or erase the channel.` };
  const streams = values.streams ? `${plural(values.streams, "stream")} open` : "no stream open";
  const dead = values.dead_letters > 0 ? { page: "dead-letters", link: `${plural(values.dead_letters, "dead letter")} to look at` } : {};
  const back = restartedMs && nowMs - restartedMs < RESTART_SHOWN_MS ? ` It was restarted ${ago((nowMs - restartedMs) / 1000)} ago.` : "";
  return { kind: "", text: `${node} is ready, with ${streams}. ${durable(store)}${back}`, ...dead };
}
