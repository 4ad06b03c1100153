import { EventSourcePlus } from "event-source-plus";

export function subscribe(url, { message, hub }) {
  const source = new EventSourcePlus(url);
  return source.listen({
    onMessage({ event, id, data }) {
      if (event.startsWith("fast-sse.")) hub(event, id, data);
      else message(id, data);
    },
  });
}
