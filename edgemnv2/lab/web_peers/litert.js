// LiteRT.js as an engine, see ours.js.

import * as litert from "@litertjs/core";
import { sample } from "./first.js";

export async function open() {
  const loading = litert.loadLiteRt("/node_modules/@litertjs/core/wasm/");
  const values = sample();
  await loading;
  const model = await litert.loadAndCompile("/models/model.tflite", { accelerator: "wasm" });
  const [{ shape }] = model.getInputDetails();
  const input = new litert.Tensor(values, Array.from(shape));
  let outputs = [];
  return {
    async infer() {
      for (const output of outputs) output.delete();
      outputs = [await model.run(input)].flat();
    },
    answer: () => Array.from(outputs[0].toTypedArray()),
  };
}
