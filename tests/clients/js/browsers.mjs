// The browsers that the machine has. Run as a program, it starts one that several drivers share:
//
//     node browsers.mjs NAME      {"endpoint": URL} on standard output; it ends when its standard input does
//
// FAST_SSE_CHROMIUM names that endpoint to a driver. Each still has a context of its own: a profile, no cache of others.
import { pathToFileURL } from "node:url";

import puppeteer from "puppeteer-core";

const CHROMIUM = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
];
const BROWSERS = {
  chromium: { browser: "chrome", executablePath: "/usr/bin/chromium", args: CHROMIUM },
  firefox: { browser: "firefox", executablePath: "/usr/bin/firefox-esr" },
};

const launch = (name) => puppeteer.launch({ headless: true, ...BROWSERS[name] });

/** A page in a browser of its own, or in the one that is shared, and what closes it. */
export async function open(name) {
  const endpoint = name === "chromium" && process.env.FAST_SSE_CHROMIUM;
  if (!endpoint) {
    const browser = await launch(name);
    return { page: await browser.newPage(), close: () => browser.close() };
  }
  const browser = await puppeteer.connect({ browserWSEndpoint: endpoint });
  const context = await browser.createBrowserContext();
  return { page: await context.newPage(), close: () => context.close() };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const browser = await launch(process.argv[2]);
  console.log(JSON.stringify({ endpoint: browser.wsEndpoint() }));
  process.stdin.on("end", async () => {
    await browser.close();
    process.exit(0);
  });
  process.stdin.resume();
}
