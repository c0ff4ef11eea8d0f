// Outputs as answers: classes, boxes, centroids, a map of classes, an embedding: the twin of
// vision/decode.py, with the same candidates in the same order.

export const CAPACITY = 64;
const IOU = 0.5;
const f = Math.fround;

export function decodeOutputs(task, tensors, outputs, threshold, capacity = CAPACITY) {
  const byName = Object.fromEntries(tensors.map((x) => [x.name, x]));
  const roles = task.roles;
  const values = (role) => {
    const parts = roles[role].map((name) => real(outputs[name], byName[name]));
    const all = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  };
  const empty = { kind: task.kind, classes: [], detections: [], centroids: [] };
  switch (task.kind) {
    case "classifier": {
      const [chance] = roles.foreground ? activated(values("foreground"), 1, task.scores) : [];
      const scores = roles.foreground
        ? Float32Array.of(1 - chance, chance)
        : activated(values("scores"), task.classes, task.scores);
      const order = bestFirst(scores.subarray(0, task.classes)).slice(0, capacity);
      const classes = order.map((index) => ({ index, score: scores[index] }));
      return { ...empty, classes: classes.filter((x) => x.score >= threshold) };
    }
    case "detector":
      return { ...empty, detections: detections(task, values, threshold, capacity) };
    case "grid": {
      const tensor = byName[roles.scores[0]];
      const scores = activated(values("scores"), tensor.nhwc[2], task.scores);
      return { ...empty, centroids: centroids(scores, tensor.nhwc, threshold, capacity) };
    }
    case "segmenter":
      return { ...empty, mask: maskOf(task, byName, outputs, threshold) };
    case "embedding":
      return { ...empty, embedding: embedding(values("embedding")) };
    default:
      return empty;
  }
}

export function real(stored, tensor) {
  const values = new Float32Array(stored.length);
  if (tensor.scale === null || tensor.scale === undefined) {
    for (let i = 0; i < stored.length; i++) {
      values[i] = tensor.dtype === "float16" ? half(stored[i]) : Number(stored[i]);
    }
    return values;
  }
  const scale = f(tensor.scale);
  for (let i = 0; i < stored.length; i++) values[i] = f(stored[i] - tensor.zero_point) * scale;
  return values;
}

// A number of 16 bits, IEEE 754, from its bits.
function half(bits) {
  const [exponent, part] = [(bits >> 10) & 31, bits & 1023];
  const size =
    exponent === 31
      ? part
        ? NaN
        : Infinity
      : exponent
        ? 2 ** (exponent - 15) * (1 + part / 1024)
        : 2 ** -14 * (part / 1024);
  return bits & 0x8000 ? -size : size;
}

export function label(task, index) {
  return task.labels[index] || String(index);
}

// Of length one; zeros stay.
export function embedding(values) {
  const length = Math.hypot(...values);
  return length === 0 ? values : values.map((x) => x / length);
}

export function similarity(a, b) {
  const [one, two] = [embedding(a), embedding(b)];
  return one.reduce((sum, x, i) => sum + x * two[i], 0);
}

function bestFirst(scores) {
  return Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
}

function activated(values, last, kind) {
  if (kind === "sigmoid") {
    return values.map((x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))));
  }
  if (kind !== "softmax") return values;
  const made = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += last) {
    const row = values.subarray(start, start + last);
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = row.map((x) => Math.exp(x - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    made.set(
      powers.map((x) => x / sum),
      start,
    );
  }
  return made;
}

function detections(task, values, threshold, capacity) {
  const found = (ends, index, score) => {
    const [top, left, bottom, right] = ends;
    return { top, left, bottom, right, index, score };
  };
  const boxes = values("boxes");
  if (task.roles.count) {
    const [scores, classes] = [values("scores"), values("classes")];
    const [told, apart] = task.classes_a_box || [1, 1];
    const count = whole(values("count")[0], Math.floor(scores.length / apart));
    const all = [];
    for (let box = 0; box < count; box++) {
      for (let i = box * apart; i < box * apart + told; i++) {
        if (!(scores[i] >= threshold)) continue;
        all.push(found(boxes.subarray(4 * i, 4 * i + 4), whole(classes[i], 1 << 24), scores[i]));
      }
    }
    return all.sort((a, b) => b.score - a.score).slice(0, capacity);
  }
  const scores = activated(values("scores"), task.classes, task.scores);
  const first = task.background ? 1 : 0;
  const anchors = scores.length / task.classes;
  const [best, classes] = [new Float32Array(anchors), new Int32Array(anchors)];
  for (let i = 0; i < anchors; i++) {
    classes[i] = bestOf(scores, i * task.classes, first, task.classes);
    best[i] = scores[i * task.classes + classes[i]];
  }
  const kept = [];
  const order = bestFirst(best).filter((i) => best[i] >= threshold);
  for (const i of order.slice(0, capacity)) {
    const [cy, cx, high, wide] = task.anchors[i].map(f);
    const code = task.scales.map((scale, n) => f(boxes[4 * i + n] / f(scale)));
    const [y, x] = [f(f(code[0] * high) + cy), f(f(code[1] * wide) + cx)];
    const halfHigh = f(f(f(Math.exp(code[2])) * high) / 2);
    const halfWide = f(f(f(Math.exp(code[3])) * wide) / 2);
    const ends = [y - halfHigh, x - halfWide, y + halfHigh, x + halfWide].map(f);
    const box = found(ends, classes[i], best[i]);
    if (kept.every((other) => overlap(box, other) <= IOU)) kept.push(box);
  }
  return kept;
}

// A count or a class that a network gives as a float: from 0 to `most`, 0 for no number.
function whole(x, most) {
  return x >= 1 ? Math.trunc(Math.min(x, most)) : 0;
}

// The class of the highest score in `[start + first, start + end)`, the lowest among equals.
function bestOf(scores, start, first, end) {
  let best = first;
  for (let c = first + 1; c < end; c++) if (scores[start + c] > scores[start + best]) best = c;
  return best;
}

function overlap(a, b) {
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const area = (x) => (x.bottom - x.top) * (x.right - x.left);
  if (high <= 0 || wide <= 0 || area(a) <= 0 || area(b) <= 0) return 0;
  return (high * wide) / (area(a) + area(b) - high * wide);
}

function centroids(scores, [height, width, classes], threshold, capacity) {
  const found = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const start = (row * width + column) * classes;
      const index = bestOf(scores, start, 0, classes);
      const score = scores[start + index];
      if (index === 0 || score < threshold) continue;
      const box = [row, column, row + 1, column + 1];
      const sums = [score, score * (row + 0.5), score * (column + 0.5)];
      const cell = { box, index, score, sums };
      const near = found.find((x) => touch(x, cell));
      if (near) join(near, cell);
      else if (found.length < capacity) found.push(cell);
    }
  }
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < found.length && !again; i++) {
      const near = found.findIndex((x, n) => n > i && touch(found[i], x));
      if (near < 0) continue;
      join(found[i], found[near]);
      found.splice(near, 1);
      again = true;
    }
  }
  return found.map(({ box, index, score, sums }) => ({
    y: sums[1] / sums[0] / height,
    x: sums[2] / sums[0] / width,
    top: box[0] / height,
    left: box[1] / width,
    bottom: box[2] / height,
    right: box[3] / width,
    index,
    score,
  }));
}

function touch(a, b) {
  const apart = (n) => a.box[n] > b.box[n + 2] || b.box[n] > a.box[n + 2];
  return a.index === b.index && !apart(0) && !apart(1);
}

function join(a, b) {
  a.box = a.box.map((end, n) => (n < 2 ? Math.min(end, b.box[n]) : Math.max(end, b.box[n])));
  a.score = Math.max(a.score, b.score);
  a.sums = a.sums.map((sum, n) => sum + b.sums[n]);
}

function maskOf(task, byName, outputs, threshold) {
  const { mask, foreground, scores } = task.roles;
  const name = (mask || foreground || scores)[0];
  const tensor = byName[name];
  if (!scores) {
    const [height, width] = tensor.shape.filter((side) => side !== 1);
    if (mask) {
      const classes = tensor.dtype.startsWith("float")
        ? Uint8Array.from(real(outputs[name], tensor), (x) => whole(x, 255))
        : Uint8Array.from(outputs[name], Number);
      return { classes, width, height };
    }
    const chances = activated(real(outputs[name], tensor), 1, task.scores);
    const least = f(threshold);
    return { classes: Uint8Array.from(chances, (x) => (x >= least ? 1 : 0)), width, height };
  }
  const [height, width, depth] = tensor.nhwc;
  const classes = new Uint8Array(height * width);
  for (let i = 0; i < classes.length; i++) classes[i] = bestOf(outputs[name], i * depth, 0, depth);
  return { classes, width, height };
}
