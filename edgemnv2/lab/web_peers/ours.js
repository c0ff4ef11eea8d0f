// Our bundle as an engine: the function that infers once and the one that reads the answer as plain
// numbers.

import { facts, load } from "/ours/index.js";
import { sample } from "./first.js";

export async function open() {
  const loading = load();
  const values = sample();
  const network = await loading;
  const [tensor, out] = [facts.inputs[0], facts.outputs[0]];
  let outputs;
  return {
    network,
    infer() {
      outputs = network.run({ [tensor.name]: values });
    },
    answer: () => Array.from(outputs[out.name]),
  };
}

// On one thread where the page, isolated from other origins, has two.
export async function openOne() {
  const engine = await open();
  if (engine.network.threads !== 2) throw new Error("there is no second thread to do without");
  engine.network.close();
  return engine;
}

// And nothing is inferred.
export async function openLoaded() {
  await load();
  return { infer() {}, answer: () => [] };
}
