// Unpack the messages of a Fast SSE hub in payload mode: in a browser of 2023 or newer, and in Node (18 or newer). No package.
//
//     import { inOrder } from "./unpack.mjs";
//     const source = new EventSource(`${url}?compression=payload&signature=${signature}`);
//     source.onmessage = inOrder(({ data, headers }, { lastEventId }) => show(lastEventId, data));
//
// A message that the hub did not pack, because it is short, goes the same way and is handed on as it is.

const BYTES_MAX = 64 * 1024 * 1024; // a hub lets through far less: what is longer did not come from one

// The envelope in the data of an event, an object with `data` and `headers`. Rejects what is neither packed nor JSON.
export async function unpack(text, bytesMax = BYTES_MAX) {
  const envelope = JSON.parse(text);
  if (envelope.encoding === undefined) return envelope;
  if (envelope.encoding !== "base64+gzip") throw new Error(`the encoding ${envelope.encoding} is not known`);
  return JSON.parse(await gunzip(envelope.data, bytesMax));
}

// The text in base64 of gzip: also what is in `data` where the header `message_compressed` is "true".
export async function gunzip(base64, bytesMax = BYTES_MAX) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > bytesMax) {
      await reader.cancel();
      throw new Error(`more than ${bytesMax} bytes when unpacked`);
    }
    parts.push(decoder.decode(value, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}

// A listener that hands on unpacked messages, each after the one before it. Unpacking takes a while, and a short message
// would overtake a long one: a page that writes `onmessage = async (event) => …` shows them in another order.
export function inOrder(handle, onError = console.error) {
  let last = Promise.resolve();
  return (event) => {
    const unpacking = unpack(event.data);
    unpacking.catch(() => {}); // it is looked at below, in its turn
    last = last.then(async () => handle(await unpacking, event)).catch((problem) => onError(problem, event));
    return last;
  };
}
