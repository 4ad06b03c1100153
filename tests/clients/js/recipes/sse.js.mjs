import { SSE } from "sse.js";

export function subscribe(url, { message, hub }, mended) {
  const source = mended ? new SSE(url, { autoReconnect: true }) : new SSE(url);
  source.addEventListener("message", (event) => message(event.lastEventId, event.data));
  for (const name of ["fast-sse.gap", "fast-sse.expired"]) {
    source.addEventListener(name, (event) => hub(name, event.lastEventId, event.data));
  }
  return source;
}
