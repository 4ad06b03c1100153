// Where one is: the part of the address after `#`, such as `#/channels/carid000001/cart_changed?view=kept`.

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand; it names no page then
  }
};

/** `{page, params, query}` of an address; the page is "overview" where none is named. */
export function here(hash = location.hash) {
  const [where, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...params] = where.split("/").map(decoded);
  return { page: page || "overview", params, query: new URLSearchParams(query) };
}

/** The address of a page. */
export function to(page, params = [], query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${[page, ...params].map(encodeURIComponent).join("/")}${tail}`;
}

export const go = (...address) => { location.hash = to(...address); };

/** Write the query into the address without a step of history and without showing the page anew. */
export function note(page, params, query) {
  history.replaceState(null, "", to(page, params, query));
}

/** `["id", "type"]` of "id/type"; null where it is not of that form. A `%2F` in a part is a slash of its own. */
export function channelOf(text) {
  const parts = text.trim().split("/");
  return parts.length === 2 && parts[0] && parts[1] ? parts.map(decoded) : null;
}

/** "id/type", with what would be read as something else escaped. */
export const channelText = (id, type) =>
  [id, type].map((part) => part.replaceAll("%", "%25").replaceAll("/", "%2F")).join("/");
