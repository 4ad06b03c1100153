// node page.mjs BROWSER RECIPE URL VARIANT: one recipe in a page of a real browser. The protocol stands in ../driver.py.
//
// The page has the origin of the stream, as a product's page has. Its modules come from a small server of our own.
import { readFile } from "node:fs/promises";
import { writeSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { open } from "./browsers.mjs";

const IMPORTS = {
  "@microsoft/fetch-event-source": "/node_modules/@microsoft/fetch-event-source/lib/esm/index.js",
  "reconnecting-eventsource": "/node_modules/reconnecting-eventsource/build/esm/reconnecting-eventsource.js",
  "sse.js": "/node_modules/sse.js/lib/sse.js",
};
const HERE = fileURLToPath(new URL("..", import.meta.url));

/** Files below tests/clients, for a page of another origin. A module may leave out its `.js`. */
async function serve() {
  const server = createServer(async (request, answer) => {
    const path = HERE + request.url.slice(1);
    const text = await readFile(path).catch(() => readFile(`${path}.js`)).catch(() => null);
    answer.writeHead(text === null ? 404 : 200, {
      "Access-Control-Allow-Origin": "*",
      "Content-Type": "text/javascript",
    });
    answer.end(text);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${server.address().port}`;
}

/** In the page: an import map, and a module that runs the recipe. */
function begin(imports, text) {
  for (const [type, content] of [["importmap", JSON.stringify({ imports })], ["module", text]]) {
    const script = document.createElement("script");
    script.type = type;
    script.textContent = content;
    document.head.append(script);
  }
}

const [name, recipe, url, variant] = process.argv.slice(2);
const { page, close } = await open(name);
page.on("pageerror", (error) => process.stderr.write(`${error}\n`));
await page.exposeFunction("tell", (report) => void writeSync(1, `${JSON.stringify(report)}\n`));
await page.goto(new URL("/", url).href);
const files = await serve();
const imports = Object.fromEntries(Object.entries(IMPORTS).map(([package_, path]) => [package_, files + path]));
await page.evaluate(
  begin,
  imports,
  `import { run } from "${files}/js/watch.mjs";
   import * as recipe from "${files}/js/recipes/${recipe}.mjs";
   run(recipe, ${JSON.stringify(url)}, ${JSON.stringify(variant)}, window.tell);`,
);
process.stdin.on("end", async () => {
  await close();
  process.exit(0);
});
process.stdin.resume();
