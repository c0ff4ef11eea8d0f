// The network as a WebAssembly module: without imports, with one memory of a fixed size.

import { decodeOutputs, THRESHOLD } from "./decode.js";
import { ARRAYS, inputOf } from "./pixels.js";

export class Network {
  constructor(facts, instance, constants, form) {
    this.facts = facts;
    this.form = form; // "simd" or "plain"
    this.exports = instance.exports;
    this.memory = instance.exports.memory;
    if (this.exports._initialize) this.exports._initialize();
    new Uint8Array(this.memory.buffer).set(constants, this.exports.constants());
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
    const status = this.exports.run();
    if (status !== 0) throw new Error(`${this.facts.name}: status ${status}`);
    return Object.fromEntries(
      this.facts.outputs.map((tensor, number) => {
        const count = tensor.nhwc.reduce((a, b) => a * b, 1);
        const at = this.exports.output_place(number);
        return [tensor.name, new ARRAYS[tensor.dtype](this.memory.buffer, at, count).slice()];
      }),
    );
  }

  // What the outputs say: classes, boxes, centroids, a mask or an embedding.
  decode(outputs, threshold = this.threshold) {
    return decodeOutputs(this.facts.task, this.facts.outputs, outputs, threshold);
  }

  // Scores that count, unless the caller says otherwise.
  get threshold() {
    return ["classifier", "unknown"].includes(this.facts.task.kind) ? 0 : THRESHOLD;
  }

  // RGBA pixels as the input, as `edgemnv2 run` makes them, and their place in it.
  picture(imageData) {
    const { inputs, task, table } = this.facts;
    if (!table) throw new TypeError(`${this.facts.name} takes no pictures`);
    const { input, place } = inputOf(imageData, inputs[0], task.fit, table);
    return { inputs: { [inputs[0].name]: input }, place };
  }
}

// `files` gives the bytes of "simd", "plain" and "constants", as a promise or at once.
export async function instantiate(facts, files) {
  const constants = files("constants");
  let [form, code] = ["plain", null];
  if (facts.forms.includes("simd")) {
    code = await files("simd");
    form = WebAssembly.validate(code) ? "simd" : "plain";
  }
  if (form === "plain") code = await files("plain");
  const { instance } = await WebAssembly.instantiate(code, {});
  return new Network(facts, instance, await constants, form);
}
