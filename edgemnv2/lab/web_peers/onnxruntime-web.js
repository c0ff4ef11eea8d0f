// onnxruntime-web as an engine, see ours.js.

import * as ort from "onnxruntime-web";
import { sample, SHAPE } from "./first.js";

export async function open() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
  const creating = ort.InferenceSession.create("/models/model.onnx", {
    executionProviders: ["wasm"],
  });
  const [height, width, channels] = SHAPE;
  const rows = sample();
  const planes = new Float32Array(rows.length);
  const area = height * width;
  for (let i = 0; i < rows.length; i++)
    planes[(i % channels) * area + Math.floor(i / channels)] = rows[i];
  const session = await creating;
  const { shape } = session.inputMetadata[0];
  const input = { [session.inputNames[0]]: new ort.Tensor("float32", planes, shape) };
  let outputs;
  return {
    async infer() {
      outputs = await session.run(input);
    },
    answer: () => Array.from(outputs[session.outputNames[0]].data),
  };
}
