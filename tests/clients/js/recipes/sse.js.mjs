import { SSE } from "sse.js";

export function subscribe(url, { message, hub }, options = { autoReconnect: true }) {
  const source = new SSE(url, options); // without `autoReconnect` it stays away
  source.addEventListener("message", (event) => message(event.lastEventId, event.data));
  for (const name of ["fast-sse.gap", "fast-sse.expired"]) {
    source.addEventListener(name, (event) => hub(name, event.lastEventId, event.data));
  }
  return source;
}

// As its README shows it.
export const plain = (url, handlers) => subscribe(url, handlers, {});
