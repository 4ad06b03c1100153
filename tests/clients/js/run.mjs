// node run.mjs RECIPE URL VARIANT: one recipe in Node.js. The protocol stands in ../driver.py.
import { writeSync } from "node:fs";

import { handlers, watch } from "./watch.mjs";

const [recipe, url, variant] = process.argv.slice(2);
const tell = (report) => writeSync(1, `${JSON.stringify(report)}\n`);
const { subscribe } = await import(`./recipes/${recipe}.mjs`);
const given = handlers(tell);
watch(subscribe(url, given, variant === "mended"), given, tell);
process.stdin.on("end", () => process.exit(0)).resume();
