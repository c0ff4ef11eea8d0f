// The network @TITLE@ as a module: load it, run it, read its answer.

import { facts } from "./facts.js";
import { instantiate } from "./network.js";

export { facts };

// The network, from the files beside this one or from bytes { simd, two, plain, constants }.
export function load(bytes = {}) {
  const names = {
    simd: "@NAME@.wasm",
    two: "@NAME@_two.wasm",
    plain: "@PLAIN@",
    constants: "@NAME@.bin",
  };
  const files = (part) => bytes[part] || read(new URL(names[part], import.meta.url));
  const worker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return instantiate(facts, files, worker);
}

async function read(url) {
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(url));
  }
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}
