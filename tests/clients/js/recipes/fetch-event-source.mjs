import { fetchEventSource } from "@microsoft/fetch-event-source";

export function subscribe(url, { message, hub, closed }, mended) {
  const onmessage = ({ event, id, data }) => {
    if (event.startsWith("fast-sse.")) hub(event, id, data);
    else message(id, data);
  };
  if (!mended) {
    return fetchEventSource(url, { onmessage, onclose: () => closed("onclose") });
  }
  return fetchEventSource(url, {
    onmessage,
    openWhenHidden: true,
    onclose() {
      throw new Error("the stream has ended: come back"); // without this line it stays closed
    },
  });
}
