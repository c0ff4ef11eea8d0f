// From opening a page, which first.html became for one engine, to the engine's first answer.
//   dtype=float32   in the address: of the input
// `window.result` is what was measured: seconds, bytes of code, the answer.

export const SHAPE = [224, 224, 3]; // of the input, which a page knows that has a network

export async function first(open) {
  try {
    const engine = await open();
    await engine.infer();
    const answer = engine.answer();
    window.result = { first: performance.now() / 1000, code_bytes: codeBytes(), answer };
  } catch (error) {
    window.result = { error: String(error && error.stack) };
  }
}

// The same numbers for everybody, made while the engine loads: the answer waits for both.
export function sample() {
  const dtype = new URLSearchParams(location.search).get("dtype");
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
