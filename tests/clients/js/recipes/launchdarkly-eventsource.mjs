import { EventSource } from "launchdarkly-eventsource";

export function subscribe(url, { message, hub }) {
  const source = new EventSource(url);
  source.onmessage = (event) => message(event.lastEventId, event.data);
  for (const name of ["fast-sse.gap", "fast-sse.expired"]) {
    source.addEventListener(name, (event) => hub(name, event.lastEventId, event.data));
  }
  return source;
}
