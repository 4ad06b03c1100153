// What a driver reports beyond the recipe: which of the hub's events come through, and what the client says of itself.

/** The handlers that a recipe is given, and the report of what reached them. `tell` takes one line of the protocol. */
function handlers(tell) {
  const event = (name, id, data) => tell({ event: name, id: id || null, data });
  return {
    message: (id, data) => event("message", id, data),
    hub: event,
    closed: (why) => tell({ closed: why }),
  };
}

/** Listen to a source that is like an EventSource for what its recipe has no need of. */
function watch(source, { hub, closed }, tell) {
  if (typeof source?.addEventListener !== "function") return;
  for (const name of ["fast-sse.start", "fast-sse.position", "fast-sse.heartbeat"]) {
    source.addEventListener(name, (event) => hub(name, event.lastEventId, event.data));
  }
  source.addEventListener("open", () => tell({ open: true }));
  source.addEventListener("error", (event) => {
    const text = event?.message ?? event?.error?.message ?? event?.status ?? "";
    tell({ error: String(text) });
    if (source.readyState === 2 && !source.autoReconnect) closed("readyState is CLOSED");
  });
}

/** Run a recipe: as its client's README shows it where that differs and is asked for, else as our docs do. */
export function run(recipe, url, variant, tell) {
  const given = handlers(tell);
  const begin = variant === "plain" ? (recipe.plain ?? recipe.subscribe) : recipe.subscribe;
  watch(begin(url, given), given, tell);
}
