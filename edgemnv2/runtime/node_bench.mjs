// Runs the bench program of an artefact for the web: node node_bench.mjs bench.wasm [ARGUMENTS].
// Its files are those of the folder in which this is started.
import fs from "node:fs";
import { WASI } from "node:wasi";

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: ["bench", ...rest], preopens: { ".": "." } });
const module = await WebAssembly.compile(fs.readFileSync(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
