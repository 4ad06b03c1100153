// JSON text, token by token: so that it can be indented, or a part of it shown, with every number as it was written.
// JSON.parse would round what has more than 53 bits.

/** Strings whole, the six signs, and what stands between them: numbers and words. The text must be JSON. */
const tokens = (json) => json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
const OPEN = new Set(["{", "["]);
const CLOSE = new Set(["}", "]"]);

const isJson = (text) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** With line breaks; a text that is no JSON comes back as it is. */
export function indented(json) {
  if (!isJson(json)) return json;
  const all = tokens(json);
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return all.map((token, i) => {
    if (OPEN.has(token)) {
      if (CLOSE.has(all[i + 1])) return token;
      depth += 1;
      return token + line();
    }
    if (CLOSE.has(token)) {
      if (OPEN.has(all[i - 1])) return token;
      depth -= 1;
      return line() + token;
    }
    if (token === ",") return token + line();
    return token === ":" ? ": " : token;
  }).join("");
}

/** The text of the value at a path of keys, `["data", "user"]`; undefined where there is none. */
export function part(json, path) {
  const all = tokens(json);
  const keys = [];
  let depth = 0;
  for (let i = 0; i < all.length; i += 1) {
    if (OPEN.has(all[i])) depth += 1;
    else if (CLOSE.has(all[i])) depth -= 1;
    else if (all[i + 1] === ":") {
      keys.length = depth;
      keys[depth - 1] = JSON.parse(all[i]);
      if (depth === path.length && path.every((key, n) => keys[n] === key)) return value(all, i + 2);
    }
  }
  return undefined;
}

function value(all, begin) {
  let depth = 0;
  for (let end = begin; ; end += 1) {
    if (OPEN.has(all[end])) depth += 1;
    else if (CLOSE.has(all[end])) depth -= 1;
    if (!depth) return all.slice(begin, end + 1).join("");
  }
}
