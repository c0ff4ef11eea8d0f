// Opens addresses one after another in headless Chromium, each in a context of its own, whose cache is
// empty, and prints what their `window.result` says as a JSON list. No inspector watches the network:
// it costs every page time for each byte, the more the more weights there are.
//   EDGEMNV2_NPM=FOLDER EDGEMNV2_CHROMIUM=FILE node drive.mjs URL...
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.EDGEMNV2_NPM, "package.json"));
const puppeteer = require("puppeteer-core");
const profile = fs.mkdtempSync(path.join(os.tmpdir(), "edgemnv2-chromium-"));
const browser = await puppeteer.launch({
  executablePath: process.env.EDGEMNV2_CHROMIUM,
  headless: true,
  networkEnabled: false,
  userDataDir: profile,
  protocolTimeout: 500000,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const SETTLED = 1000; // milliseconds
const results = [];
try {
  for (const url of process.argv.slice(2)) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(400000);
    // The browser makes a window for it, whose own parts are pages in processes of their own: what is
    // measured is a page that opens in a browser that has opened.
    await new Promise((resolve) => setTimeout(resolve, SETTLED));
    await page.goto(url);
    await page.waitForFunction("window.result");
    results.push(await page.evaluate("window.result"));
    await context.close();
  }
} finally {
  await browser.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(results));
