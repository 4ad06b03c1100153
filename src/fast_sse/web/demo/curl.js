// The same requests as lines for a shell.

import { $, facts } from "./dom.js";
import { publishPath, subscribePath } from "./hub.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function showCurl(from) {
  const to = facts.channels[$("target").value];
  const url = (path) => quoted(new URL(path, document.baseURI).href);
  $("curl-publish").textContent = [
    `curl ${url(publishPath(to))}`,
    `-H 'x-signature: ${to.signature}'`,
    "-H 'Content-Type: application/json'",
    `-d ${quoted(`{"data": ${$("data").value.trim()}}`)}`,
  ].join(" \\\n  ");
  $("curl-subscribe").textContent = [`curl -N ${url(subscribePath(from))}`, `-H 'x-signature: ${from.signature}'`].join(" \\\n  ");
}

export async function copy(button) {
  try {
    await navigator.clipboard.writeText($(button.dataset.copies).textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($(button.dataset.copies));
    button.textContent = "Selected";
  }
}
