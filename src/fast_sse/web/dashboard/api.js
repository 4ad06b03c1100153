// The operators' routes. Paths are relative to the page, so that a proxy may put a prefix before them.

/** What the node refused, or `code` "unreachable" where nothing answered. `retry` is in seconds, 0 when not said. */
export class ApiError extends Error {
  constructor({ status = 0, code = "unreachable", message = "the node does not answer", request_id: id = "", retry = 0 }) {
    super(message);
    Object.assign(this, { status, code, id, retry });
  }
}

const WHAT_TO_DO = {
  unreachable: "It may be restarting. The numbers on this page are from before.",
  forbidden: "Open this page under the address of the operators' listener, or under a name in admin.names.",
  not_stored: "The store does not answer. Streams stay open, and continue when it is back.",
  overloaded: "The node has too much to do. Try again in a moment.",
  rate_limited: "Wait a moment, and try again.",
  unknown: "It may be done, or not. You can repeat it safely, except a publish without an idempotency key.",
  disk_full: "Free some space on the node's disk, then try again.",
};

/** One sentence of what went wrong, and one of what to do. */
export function explained(error) {
  if (!(error instanceof ApiError)) throw error;
  const said = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  const wait = error.retry ? ` Wait ${error.retry} s.` : "";
  const known = WHAT_TO_DO[error.code] ?? (error.status >= 500 ? "The node's log says more: look for this request." : "");
  const id = error.status >= 500 && error.id ? ` (request ${error.id})` : "";
  return `${said}${id}.${wait} ${known}`.replace("..", ".").trim();
}

/** Told, when a request shows that the session is over. */
export const session = new EventTarget();

const query = (fields) => {
  const given = Object.entries(fields).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** A path of segments, each escaped: `path("v1", "channels", id, type)`. */
export const path = (...segments) => segments.map(encodeURIComponent).join("/");

/**
 * Ask; the answer's data. `body` is a value, or a text that is JSON already; with `exact(data, text)` what that makes of
 * the data and the text of the answer. Raises ApiError.
 */
export async function ask(method, where, { fields = {}, body, signal, exact = (data) => data } = {}) {
  const init = { method, signal, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  let answer;
  let text;
  let said;
  try {
    answer = await fetch(where + query(fields), init);
    text = await answer.text();
    said = JSON.parse(text);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (text === undefined) throw new ApiError({});
    said = { code: "unreadable", message: `the answer is not one of Fast SSE (status ${answer.status})` };
  }
  if (answer.ok && said.code === "ok") return exact(said.data, text);
  const error = new ApiError({ ...said, status: answer.status, retry: Number(answer.headers.get("Retry-After")) || 0 });
  if (error.status === 401 && where !== "v1/session") session.dispatchEvent(new Event("over"));
  throw error;
}

export const get = (where, fields, signal) => ask("GET", where, { fields, signal });
