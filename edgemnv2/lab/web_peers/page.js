// Runs engines on one network in this page. In the address:
//   engines=ours,onnxruntime-web,litert.js   in this order, in turn; "one": ours on one thread where
//                                            the page, isolated from other origins, has two;
//                                            "loaded": ours, and nothing is inferred
//   dtype=float32                            of the input
//   rounds=N                                 0: from opening the page to the first answer
// `window.result` is what was measured: seconds, answers, bytes of code.

const asked = new URLSearchParams(location.search);
const SHAPE = [224, 224, 3]; // of the input, which a page knows that has a network
const WARMUP = 8; // an engine of V8 compiles a function again when it has run for a while

// Each gives the function that infers once and the one that reads the answer as plain numbers.
const ENGINES = {
  ours: async () => (await ours()).engine,
  async one() {
    const { network, engine } = await ours();
    if (network.threads !== 2) throw new Error("there is no second thread to do without");
    network.close();
    return engine;
  },
  async loaded() {
    await (await import("/ours/index.js")).load();
    return { infer() {}, answer: () => [] };
  },
  async "onnxruntime-web"() {
    const ort = await import("onnxruntime-web");
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
  },
  async "litert.js"() {
    const litert = await import("@litertjs/core");
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
  },
};

async function ours() {
  const { load, facts } = await import("/ours/index.js");
  const loading = load();
  const values = sample();
  const network = await loading;
  const [tensor, out] = [facts.inputs[0], facts.outputs[0]];
  let outputs;
  const engine = {
    infer() {
      outputs = network.run({ [tensor.name]: values });
    },
    answer: () => Array.from(outputs[out.name]),
  };
  return { network, engine };
}

// The same numbers for everybody, made while the engine loads: the answer waits for both.
function sample() {
  const dtype = asked.get("dtype");
  const count = SHAPE.reduce((a, b) => a * b, 1);
  const kind = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array }[dtype];
  const [scale, shift] = { float32: [128, 1], int8: [1, 128], uint8: [1, 0] }[dtype];
  const values = new kind(count);
  for (let i = 0, state = 1; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state >>> 24) / scale - shift;
  }
  return values;
}

// Of all that was asked for, but the weights. Nothing of it may come from a cache: a first answer would
// be too early.
function codeBytes() {
  const entries = performance.getEntriesByType("resource");
  const kept = entries.filter((entry) => entry.decodedBodySize && !entry.transferSize);
  if (kept.length) throw new Error(`${kept[0].name} comes from a cache`);
  return entries
    .filter((entry) => !/\.(bin|onnx|tflite)$/.test(new URL(entry.name).pathname))
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0);
}

async function measure() {
  const names = asked.get("engines").split(",");
  const engines = [];
  for (const name of names) engines.push(await ENGINES[name]());
  const rounds = Number(asked.get("rounds"));
  for (const engine of engines) await engine.infer();
  const answers = Object.fromEntries(names.map((name, at) => [name, engines[at].answer()]));
  const first = performance.now() / 1000;
  if (!rounds) return { first, code_bytes: codeBytes(), answers };
  const seconds = names.map(() => []);
  for (let round = -WARMUP; round < rounds; round++) {
    const order = [...engines.keys()];
    // There and back, so that nobody always runs behind the same neighbour's caches.
    for (const at of round % 2 ? order : order.reverse()) {
      await engines[at].infer();
      const start = performance.now();
      await engines[at].infer();
      if (round >= 0) seconds[at].push((performance.now() - start) / 1000);
    }
  }
  return { answers, seconds: Object.fromEntries(names.map((name, at) => [name, seconds[at]])) };
}

try {
  window.result = await measure();
} catch (error) {
  window.result = { error: String(error && error.stack) };
}
