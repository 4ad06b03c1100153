// node run.mjs RECIPE URL VARIANT: one recipe in Node.js. The protocol stands in ../driver.py.
import { writeSync } from "node:fs";

import { run } from "./watch.mjs";

const [recipe, url, variant] = process.argv.slice(2);
const tell = (report) => writeSync(1, `${JSON.stringify(report)}\n`);
run(await import(`./recipes/${recipe}.mjs`), url, variant, tell);
process.stdin.on("end", () => process.exit(0)).resume();
