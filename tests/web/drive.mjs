// Drives a page of a bundle in headless Chromium and prints what it saw as JSON.
//   node drive.mjs URL PICTURE [--camera] [--old] [--shots FOLDER]
// The picture is dropped on the page; `inputs` and `outputs` are bytes in base64 by name. `--old`: in
// a browser without SIMD and without DecompressionStream.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const [url, picture, ...flags] = process.argv.slice(2);
const require = createRequire(path.join(process.env.EDGEMNV2_NPM, "package.json"));
const puppeteer = require("puppeteer-core");
const profile = fs.mkdtempSync(path.join(os.tmpdir(), "edgemnv2-chromium-"));
const browser = await puppeteer.launch({
  executablePath: process.env.EDGEMNV2_CHROMIUM || "/usr/bin/chromium",
  headless: true,
  userDataDir: profile,
  protocolTimeout: 240000,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
  ],
});
const seen = { errors: [], requests: [] };
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120000);
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (m) => m.type() === "error" && seen.errors.push(m.text()));
  page.on("request", (request) => seen.requests.push(request.url().slice(0, 200)));
  if (flags.includes("--old")) {
    await page.evaluateOnNewDocument(() => {
      delete globalThis.DecompressionStream;
      // The first module is the one with SIMD.
      let refused = false;
      for (const name of ["compile", "compileStreaming"]) {
        const known = WebAssembly[name];
        WebAssembly[name] = async (code) => {
          if (refused) return known(code);
          refused = true;
          throw new WebAssembly.CompileError("Wasm SIMD unsupported");
        };
      }
    });
  }
  await page.goto(url);
  await page.waitForSelector('[data-state="ready"]');
  seen.told = await page.evaluate(
    () => document.querySelector('[data-edgemnv2="form"]').textContent,
  );
  Object.assign(
    seen,
    await page.evaluate(async () => {
      const { form, threads } = (await window.edgemnv2).network;
      return { form, threads };
    }),
  );
  const file = fs.readFileSync(picture).toString("base64");
  await page.evaluate((text, name) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    const target = document.querySelector('[data-edgemnv2="drop"]');
    target.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
  }, file, path.basename(picture));
  const answered = '[data-edgemnv2="answer"] li';
  await page.waitForSelector(answered);
  Object.assign(
    seen,
    await page.evaluate(async () => {
      const { last } = await window.edgemnv2;
      const text = (values) => {
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
        return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
      };
      const all = (tensors) =>
        Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, text(x)]));
      const canvas = document.querySelector('[data-edgemnv2="canvas"]');
      const lines = document.querySelectorAll('[data-edgemnv2="answer"] li');
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return {
        inputs: all(last.inputs),
        outputs: all(last.outputs),
        answer: Array.from(lines, (line) => line.textContent),
        label: canvas.getAttribute("aria-label"),
        canvas: [canvas.width, canvas.height],
        colours: new Set(new Uint32Array(pixels.buffer)).size,
        wide: document.documentElement.scrollWidth,
      };
    }),
  );
  seen.reached = [];
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press("Tab");
    const name = () => document.activeElement.dataset.edgemnv2 || document.activeElement.tagName;
    seen.reached.push(await page.evaluate(name));
  }
  if (flags.includes("--shots")) {
    const folder = flags[flags.indexOf("--shots") + 1];
    for (const scheme of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const width of [360, 800, 1400]) {
        await page.setViewport({ width, height: 900 });
        const name = path.join(folder, `${scheme}-${width}.png`);
        await page.screenshot({ path: name, fullPage: true });
        const extent = () => document.documentElement.scrollWidth;
        (seen.extents ||= {})[width] = await page.evaluate(extent);
      }
    }
  }
  // The keyboard's End on the threshold: nothing is so sure.
  await page.focus('[data-edgemnv2="threshold"]');
  await page.keyboard.press("End");
  seen.strict = await page.evaluate(() => [
    document.querySelector('[data-edgemnv2="threshold-value"]').textContent,
    ...Array.from(document.querySelectorAll('[data-edgemnv2="answer"] li'), (x) => x.textContent),
  ]);
  if (flags.includes("--camera")) {
    await page.focus('[data-edgemnv2="threshold"]');
    await page.keyboard.press("Home");
    await page.evaluate(async () => {
      (await window.edgemnv2).listed = Infinity; // the list waits for the camera's end
      document.querySelector('[data-edgemnv2="camera"]').click();
    });
    await page.waitForFunction(() =>
      document.querySelector('[data-edgemnv2="rate"]').textContent.includes("frames/s"),
    );
    seen.camera = await page.evaluate(() => {
      const find = (name) => document.querySelector(`[data-edgemnv2="${name}"]`);
      const listed = () => Array.from(find("answer").children, (x) => x.textContent).join("; ");
      const [rate, before] = [find("rate").textContent, listed()];
      find("camera").click();
      return { rate, before, listed: listed(), label: find("canvas").getAttribute("aria-label") };
    });
  }
} finally {
  await browser.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(seen));
