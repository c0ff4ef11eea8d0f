// From opening a page, which first.html became for one engine, to the engine's first answer.
//   dtype=float32   in the address: of the input
// `window.result` is what was measured: seconds, bytes of code, the answer.

export const SHAPE = [224, 224, 3]; // of the input, which a page knows that has a network
const DRAWN = 4099; // numbers, a prime

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

// The same numbers for everybody, made while the engine loads: the answer waits for both. Few are
// drawn, since a script that has just come is slow, and no row of the image has them at its beginning
// that another has there.
export function sample() {
  const dtype = new URLSearchParams(location.search).get("dtype");
  const count = SHAPE.reduce((a, b) => a * b, 1);
  const kind = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array }[dtype];
  const [scale, shift] = { float32: [128, 1], int8: [1, 128], uint8: [1, 0] }[dtype];
  const drawn = new kind(DRAWN);
  for (let i = 0, state = 1; i < DRAWN; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    drawn[i] = (state >>> 24) / scale - shift;
  }
  const values = new kind(count);
  for (let at = 0; at < count; at += DRAWN) values.set(drawn.subarray(0, count - at), at);
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
