// The network @TITLE@ as a module: load it, run it, read its answer.

export const facts = @KNOWN@;

// The network, from the files beside this one or from bytes { simd, two, plain, constants }.
export async function load(bytes = {}) {
  const names = {
    simd: "@NAME@.wasm",
    two: "@NAME@_two.wasm",
    plain: "@PLAIN@",
    constants: "@NAME@.bin",
  };
  const asked = {};
  const files = (part) =>
    (asked[part] ??= bytes[part] || read(new URL(names[part], import.meta.url), part));
  const isolated = globalThis.crossOriginIsolated && navigator.hardwareConcurrency > 1;
  const worker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const hasTwo = Boolean(facts.twoPages && isolated);
  // Both at once, the code first: it is small, and the constants want its memory. What fails is told
  // where it is waited for.
  for (const part of [hasTwo ? "two" : facts.forms[0], "constants"])
    Promise.resolve(files(part)).catch(() => {});
  return instantiate(facts, files, hasTwo ? worker : undefined);
}

// Bytes; of a server's code, if it calls it code, the module, compiled while it comes, and of its
// constants the answer, whose pieces the network takes as they come.
async function read(url, part) {
  if (url.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(url));
  }
  const answer = await fetch(url);
  if (!answer.ok) {
    const found = `${answer.status} ${answer.statusText}`.trim();
    throw new Error(`${url}: ${found} (serve all files of the folder, with their names)`);
  }
  if (part === "constants" && answer.body) return answer;
  const kind = answer.headers.get("content-type");
  if (kind === "application/wasm" && WebAssembly.compileStreaming) {
    return WebAssembly.compileStreaming(answer);
  }
  return new Uint8Array(await answer.arrayBuffer());
}

@MODULES@