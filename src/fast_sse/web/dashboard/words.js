// The state of a node and its store in one sentence, and what to do where there is something to do.

import { ago, moment, plural } from "./format.js";

const DURABLE = {
  fsync: "each message is on disk before its publisher hears yes",
  none: "messages are lost when the process ends",
};
const RESTART_SHOWN_MS = 60_000;

const durable = ({ name, durability }) => `${name} (${DURABLE[durability] ?? durability})`;

/**
 * `{kind, text, page}` of what `live.now` holds: kind is empty where all is well, `look`, `act`, or `off` where it is not
 * known; `page` is one that says more.
 */
export function stateWords({ phase, why, frame, restartedMs }, ageS, nowMs) {
  if (!frame) return { kind: "off", text: `Waiting for the first numbers of the node${why ? `: ${why}` : ""}.` };
  const { node, state, store, values } = frame;
  if (phase !== "live") {
    const next = phase === "lost" ? "This page reconnects by itself." : "The connection stands, but nothing comes.";
    return { kind: "look", text: `No news from ${node} for ${ago(ageS)}: the numbers are those of ${moment(frame.at_ms)}. ${next}` };
  }
  if (store.up === false) {
    return { kind: "act", text: `The store (${store.name}) does not answer: publishes are refused, streams stay open and wait. Look at ${store.name} first.` };
  }
  if (state === "draining") return { kind: "look", text: `${node} is draining: it ends its streams, and clients go to other nodes.` };
  if (state !== "ready") return { kind: "look", text: `${node} is ${state}: it takes no publishes and no streams yet.` };
  if (!store.following) return { kind: "act", text: `${node} does not read the log of ${store.name} now: what is published is stored and reaches nobody here. Its log says why.` };
  if (store.damaged) return { kind: "act", text: `${node} found a part of its log unreadable; what was there is named in its log. Restore a backup, or erase the channel.` };
  const streams = `${plural(values.streams, "stream")} open`;
  const dead = values.dead_letters > 0 ? { page: "dead-letters", link: `${plural(values.dead_letters, "dead letter")} to decide on` } : {};
  const back = restartedMs && nowMs - restartedMs < RESTART_SHOWN_MS ? ` It was restarted ${ago((nowMs - restartedMs) / 1000)} ago.` : "";
  return { kind: "", text: `${node} is ready, with ${streams}. It stores with ${durable(store)}.${back}`, ...dead };
}
