// Runs engines on one network in this page. In the address:
//   engines=ours,onnxruntime-web,litert.js   in this order, in turn; "one": ours on one thread where
//                                            the page, isolated from other origins, has two
//   dtype=float32                            of the input
//   rounds=N                                 in which each infers twice
// `window.result` is what was measured: seconds and answers.

const asked = new URLSearchParams(location.search);
const WARMUP = 8; // an engine of V8 compiles a function again when it has run for a while

const ENGINES = {
  ours: async () => (await import("./ours.js")).open(),
  one: async () => (await import("./ours.js")).openOne(),
  "onnxruntime-web": async () => (await import("./onnxruntime-web.js")).open(),
  "litert.js": async () => (await import("./litert.js")).open(),
};

async function measure() {
  const names = asked.get("engines").split(",");
  const engines = [];
  for (const name of names) engines.push(await ENGINES[name]());
  const rounds = Number(asked.get("rounds"));
  for (const engine of engines) await engine.infer();
  const answers = Object.fromEntries(names.map((name, at) => [name, engines[at].answer()]));
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
