// The network as a WebAssembly module: with one memory of a fixed size, and no other import.

import { decodeOutputs } from "./decode.js";
import { ARRAYS, inputOf } from "./pixels.js";

const TRIED_AGAIN = 64; // inferences from one trial of the other number of threads to the next
const WARMED = 16; // steps of the network from one look at the clock to the next
const SLICE = 2; // milliseconds of them, until what has come meanwhile has its turn

export class Network {
  // Wants its constants yet, see `fill`.
  constructor(facts, instance, form, memory = instance.exports.memory) {
    this.facts = facts;
    this.form = form; // "simd" or "plain"
    this.threads = 1;
    this.lately = { 1: Infinity, 2: Infinity }; // milliseconds by number of threads
    this.inferences = 0;
    this.cold = "warm" in instance.exports; // code that an older edgemnv2 made has none
    this.exports = instance.exports;
    this.memory = memory;
    if (this.exports._initialize) this.exports._initialize();
  }

  // Takes the constants: bytes, or a server's answer, of which each piece goes where it belongs as
  // it comes.
  async fill(constants) {
    const size = this.facts.constantsBytes;
    const place = new Uint8Array(this.memory.buffer, this.exports.constants(), size);
    let at = 0;
    const put = (bytes) => {
      if (at + bytes.length <= size) place.set(bytes, at);
      at += bytes.length;
    };
    if (constants.body) {
      const reader = constants.body.getReader();
      const next = () => this.meanwhile(reader.read());
      for (let piece = await next(); !piece.done; piece = await next()) put(piece.value);
    } else {
      put(constants);
    }
    if (at !== size) {
      throw new Error(`the constants have ${at} bytes, expected ${size} (take one bundle's files)`);
    }
  }

  // Waits for what is on its way. In the meantime the network runs once, a little at a time, on what is
  // in memory: a browser makes its code when it is called, and makes it better when it is called
  // often, and what waits anyway has the time. Nothing reads what comes of it.
  async meanwhile(coming) {
    let waiting = true;
    const come = () => (waiting = false);
    coming.then(come, come);
    while (this.cold) {
      await turn();
      if (!waiting) break;
      const end = performance.now() + SLICE;
      do this.cold = this.exports.warm(WARMED) === 1;
      while (this.cold && performance.now() < end);
    }
    return coming;
  }

  // Runs one inference: typed arrays by the names of the inputs, NHWC; gives those of the outputs.
  run(inputs) {
    this.facts.inputs.forEach((tensor, number) => {
      const values = inputs[tensor.name];
      const count = tensor.nhwc.reduce((a, b) => a * b, 1);
      const kind = ARRAYS[tensor.dtype];
      if (!(values instanceof kind) || values.length !== count) {
        const found = values ? `${values.constructor.name} of ${values.length}` : "nothing";
        throw new TypeError(
          `input '${tensor.name}': ${found}, expected a ${kind.name} of ${count} (NHWC)`,
        );
      }
      new kind(this.memory.buffer, this.exports.input_place(number), count).set(values);
    });
    const status = this.threads === 2 ? this.runQuicker() : this.exports.run();
    if (status !== 0) throw new Error(`${this.facts.name}: status ${status}`);
    return Object.fromEntries(
      this.facts.outputs.map((tensor, number) => {
        const count = tensor.nhwc.reduce((a, b) => a * b, 1);
        const at = this.exports.output_place(number);
        return [tensor.name, new ARRAYS[tensor.dtype](this.memory.buffer, at, count).slice()];
      }),
    );
  }

  // On two threads or on one, as was quicker lately: beside other work the second thread waits for a
  // processor, and the first one for it. The answer is the same.
  runQuicker() {
    const { lately, exports } = this;
    let threads = lately[2] <= lately[1] ? 2 : 1;
    // Twice: the first trial wakes the second thread.
    if ([1, 2].includes(this.inferences++ % TRIED_AGAIN)) threads = 3 - threads;
    const start = performance.now();
    const status = threads === 2 ? exports.run_two() : exports.run();
    const took = performance.now() - start;
    lately[threads] = took < lately[threads] ? took : (took + lately[threads]) / 2;
    return status;
  }

  // Two threads as soon as `worker` stands; one, and a warning, where it does not.
  async startSecond(worker) {
    try {
      await new Promise((resolve, reject) => {
        worker.onmessage = ({ data: { problem } }) =>
          problem ? reject(new Error(problem)) : resolve();
        worker.onerror = (event) => reject(new Error(event.message || "the worker does not start"));
        worker.postMessage({ module: this.module, memory: this.memory });
      });
      this.threads = 2;
    } catch (error) {
      worker.terminate();
      tellOneThread(this.facts, error);
    }
  }

  // Ends the second thread, if there is one; the network still runs on the first.
  close() {
    if (this.threads === 2) this.exports.stop();
    this.threads = 1;
  }

  // What the outputs say: classes, boxes, centroids, a mask or an embedding.
  decode(outputs, threshold = this.threshold) {
    return decodeOutputs(this.facts.task, this.facts.outputs, outputs, threshold);
  }

  // Scores that count, unless the caller says otherwise.
  get threshold() {
    return this.facts.task.threshold;
  }

  // RGBA pixels as the input, as `edgemnv2 run` makes them, and their place in it.
  picture(imageData) {
    const { inputs, task, table } = this.facts;
    if (!table) throw new TypeError(`${this.facts.name} takes no pictures`);
    const { input, place } = inputOf(imageData, inputs[0], task.fit, table);
    return { inputs: { [inputs[0].name]: input }, place };
  }
}

// `files` gives the bytes of "simd", "plain", "two" and "constants", or of code the module, of
// constants a server's answer, as a promise or at once; `startWorker` a new worker of worker.js, where
// there may be one (a page that is isolated from other origins): then the network runs on two threads.
export async function instantiate(facts, files, startWorker) {
  const constants = Promise.resolve(files("constants"));
  constants.catch(() => {}); // told where it is waited for
  let network, second;
  if (startWorker) {
    try {
      network = await ofTwoThreads(facts, await files("two"));
      // It wakes while the constants come.
      second = network.startSecond(startWorker());
    } catch (error) {
      tellOneThread(facts, error);
    }
  }
  network ||= await ofOneThread(facts, files);
  try {
    await network.fill(await network.meanwhile(constants));
  } catch (error) {
    await second;
    network.close();
    throw error;
  }
  await second;
  return network;
}

// When all that is to be done has been done.
function turn() {
  if (globalThis.scheduler?.postTask)
    return scheduler.postTask(() => {}, { priority: "background" });
  return new Promise((resolve) => setTimeout(resolve));
}

function tellOneThread(facts, error) {
  console.warn(`${facts.name}: one thread, since there is no second: ${error.message}`);
}

async function ofOneThread(facts, files) {
  const [form, module] = await oneThread(facts, files);
  return new Network(facts, await WebAssembly.instantiate(module, {}), form);
}

// "simd" or "plain", and its module: a browser without SIMD cannot compile the former.
async function oneThread(facts, files) {
  if (facts.forms.includes("simd")) {
    try {
      return ["simd", await moduleOf(files("simd"))];
    } catch (error) {
      if (!(error instanceof WebAssembly.CompileError)) throw error;
    }
  }
  return ["plain", await moduleOf(files("plain"))];
}

async function moduleOf(file) {
  const code = await file;
  return code instanceof WebAssembly.Module ? code : WebAssembly.compile(code);
}

async function ofTwoThreads(facts, code) {
  const module = await moduleOf(code);
  const size = { initial: facts.twoPages, maximum: facts.twoPages, shared: true };
  const memory = new WebAssembly.Memory(size);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const network = new Network(facts, instance, "simd", memory);
  if (instance.exports.start() !== 0) throw new Error("the pool of threads does not start");
  network.module = module;
  return network;
}
