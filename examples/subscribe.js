// Listen to a Fast SSE hub, in a page (as a module) and in Node (20.19 or newer), without any package.
//
//     const stop = subscribe(url, ({ id, data }) => console.log(id, data.data));
//
//     node examples/subscribe.js 'http://127.0.0.1:30000/v1/subscribe/events/ID/types/TYPE?signature=v2...'
//
// A page uses its EventSource, which reconnects and resumes by itself. Node has none, so `listen` does what one does:
// it keeps the last id, comes back with it after the wait that the hub asked for, and gives up on a final answer only.

export function subscribe(url, onMessage, onGap = console.warn) {
  if (typeof EventSource === "undefined") return listen(url, onMessage, onGap);
  const source = new EventSource(url);
  const read = (event) => ({ id: event.lastEventId, data: JSON.parse(event.data) });
  source.onmessage = (event) => onMessage(read(event));
  // The hub could not go on exactly: whoever keeps state fetches it anew. Nothing is ever skipped without this.
  source.addEventListener("fast-sse.gap", (event) => onGap(read(event)));
  // The right to listen is over: get a new signature, then subscribe again.
  source.addEventListener("fast-sse.expired", () => source.close());
  return () => source.close();
}

function listen(url, onMessage, onGap) {
  const ending = new AbortController();
  const state = { id: "", retryMs: 2000 };
  (async () => {
    while (!ending.signal.aborted) {
      try {
        const headers = { Accept: "text/event-stream", ...(state.id && { "Last-Event-ID": state.id }) };
        const answer = await fetch(url, { headers, signal: ending.signal });
        if (answer.status !== 200) throw Object.assign(new Error(`refused: ${answer.status}`), { final: true });
        for await (const event of events(answer.body, state)) {
          if (event.name === "fast-sse.expired") throw Object.assign(new Error("the signature has run out"), { final: true });
          if (event.name.startsWith("fast-sse.") && event.name !== "fast-sse.gap") continue; // the hub's own: its id counts
          (event.name === "fast-sse.gap" ? onGap : onMessage)({ id: state.id, data: JSON.parse(event.text) });
        }
      } catch (error) {
        if (ending.signal.aborted) return;
        if (error.final) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, state.retryMs));
    }
  })();
  return () => ending.abort();
}

// The events of a stream, by the rules of the WHATWG; `state` gets the id and the wait before a reconnect.
async function* events(body, state) {
  let rest = "";
  let event = { id: state.id, name: "", lines: [] };
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n"); // the hub ends lines by LF alone
    rest = lines.pop();
    for (const line of lines) {
      const [field, value] = [line.split(":", 1)[0], line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
      if (field === "id") event.id = value;
      else if (field === "retry") state.retryMs = Number(value);
      else if (field === "event") event.name = value;
      else if (field === "data") event.lines.push(value);
      else if (line === "") {
        state.id = event.id; // only now: an event that was cut off is asked for again
        if (event.lines.length) yield { name: event.name, text: event.lines.join("\n") };
        event = { id: state.id, name: "", lines: [] };
      }
    }
  }
}

if (typeof process !== "undefined" && process.argv?.[1]?.endsWith("subscribe.js")) {
  subscribe(process.argv[2], (message) => console.log(message.id, JSON.stringify(message.data.data)));
}
