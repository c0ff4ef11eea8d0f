// Runs a network for the web on one thread and on two, in Node.js:
//   node two.mjs CONSTANTS ONE.wasm TWO.wasm PAGES INPUT OUTPUT_BYTES ROUNDS
// and prints both outputs as hexadecimal digits, a line each, two threads' of every round.
import fs from "node:fs";
import { Worker, isMainThread, workerData } from "node:worker_threads";

if (isMainThread) {
  const [constants, one, two, pages, input, bytes, rounds] = process.argv.slice(2);
  const place = (exports, memory) => {
    exports._initialize?.();
    new Uint8Array(memory.buffer).set(fs.readFileSync(constants), exports.constants());
    new Uint8Array(memory.buffer).set(fs.readFileSync(input), exports.input_place(0));
  };
  const output = (exports, memory) =>
    Buffer.from(new Uint8Array(memory.buffer, exports.output_place(0), Number(bytes)).slice());

  const alone = (await WebAssembly.instantiate(fs.readFileSync(one))).instance.exports;
  place(alone, alone.memory);
  if (alone.run() !== 0) throw new Error("status");
  console.log(output(alone, alone.memory).toString("hex"));

  const size = { initial: Number(pages), maximum: Number(pages), shared: true };
  const memory = new WebAssembly.Memory(size);
  const module = await WebAssembly.compile(fs.readFileSync(two));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  place(exports, memory);
  if (exports.start() !== 0) throw new Error("status");
  const worker = new Worker(new URL(import.meta.url), { workerData: { module, memory } });
  const ended = new Promise((resolve) => worker.on("exit", resolve));
  await new Promise((resolve) => worker.once("online", resolve));
  for (let round = 0; round < Number(rounds); round++) {
    new Uint8Array(memory.buffer, exports.output_place(0), Number(bytes)).fill(0x5a);
    if (exports.run_two() !== 0) throw new Error("status");
    console.log(output(exports, memory).toString("hex"));
  }
  exports.stop();
  console.log(`ended ${await ended}`);
} else {
  const { module, memory } = workerData;
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  exports.__stack_pointer.value = exports.second_stack();
  exports.serve();
}
