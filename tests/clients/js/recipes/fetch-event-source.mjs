import { fetchEventSource } from "@microsoft/fetch-event-source";

export function subscribe(url, { message, hub }) {
  return fetchEventSource(url, {
    openWhenHidden: true, // else it leaves as soon as the tab is hidden
    onmessage({ event, id, data }) {
      if (event.startsWith("fast-sse.")) hub(event, id, data);
      else message(id, data);
    },
    onclose() {
      throw new Error("the stream has ended: come back"); // without this line it stays away
    },
  });
}

// As its README shows it.
export function plain(url, { message, hub, closed }) {
  return fetchEventSource(url, {
    onmessage({ event, id, data }) {
      if (event.startsWith("fast-sse.")) hub(event, id, data);
      else message(id, data);
    },
    onclose: () => closed("onclose"),
  });
}
