// An EventSource that always comes back. The browser's own one resumes by itself where the connection breaks, and gives
// up for ever where the answer is not 200; then the reason is asked for, and another one is opened.

import { get, session } from "./api.js";

const AGAIN_MS = 2000;

/**
 * Follow a stream until `signal` aborts; `again()` leaves the connection, as one that may be dead, for another.
 *
 * @param url       (lastId) => address; the browser sends the id by itself, but for a stream that is opened anew
 * @param events    listeners by the name of the event; each is called with the parsed data and the id
 * @param opened    called when a connection stands
 * @param lost      called with a sentence when it does not
 * @param silent_ms a connection that says nothing for so long is opened anew; 0 for one that may be silent
 */
export function follow(url, { events, opened = () => {}, lost = () => {}, silent_ms: silent = 0, signal }) {
  let source = null;
  let last = "";
  let again = 0;
  let watch = 0;
  let pause = 0;

  const heard = () => {
    clearTimeout(watch);
    if (silent) watch = setTimeout(() => restart("nothing came; reconnecting"), silent);
  };
  const restart = (why) => {
    lost(why);
    open();
  };
  const refused = async () => {
    try {
      const { needed, signed_in: inside } = await get("v1/session", {}, signal);
      if (needed && !inside) {
        session.dispatchEvent(new Event("over"));
        return;
      }
      lost("refused; trying again");
    } catch {
      lost("reconnecting");
    }
    if (!signal.aborted) again = setTimeout(open, AGAIN_MS);
  };
  const ended = ({ reason }) => {
    if (reason === "expired") {
      close();
      session.dispatchEvent(new Event("over"));
    } else {
      pause = reason === "full" ? 1 : 0;
      lost(reason === "full" ? "too many viewers; trying again in 15 s" : "the node is stopping; reconnecting");
    }
  };

  function open() {
    close();
    source = new EventSource(url(last));
    const mine = source;
    heard(); // a connection that is never answered is silent, too
    const on = (type, act) => source.addEventListener(type, (event) => { if (mine === source) act(event); });
    on("open", () => { pause = 0; heard(); opened(); });
    on("error", () => {
      clearTimeout(watch);
      if (mine.readyState === EventSource.CLOSED) refused();
      else if (!pause) lost("reconnecting");
    });
    for (const [type, act] of Object.entries({ end: ended, ...events })) {
      on(type, (event) => {
        heard();
        last = event.lastEventId || last;
        act(JSON.parse(event.data), event.lastEventId);
      });
    }
  }
  function close() {
    clearTimeout(again);
    clearTimeout(watch);
    source?.close();
    source = null;
  }
  signal.addEventListener("abort", close);
  open();
  return { again: open };
}
