import { createEventSource } from "eventsource-client";

export function subscribe(url, { message, hub }) {
  return createEventSource({
    url,
    onMessage({ event = "message", id, data }) {
      if (event.startsWith("fast-sse.")) hub(event, id, data);
      else message(id, data);
    },
  });
}
