// Pictures as the network takes them, to the byte as `edgemnv2 run` has them: Pillow's antialiased
// bilinear filter in integers, grey as Pillow weighs it, stored values from a table.

import { BAR, placed } from "./geometry.js";

const BITS = 22; // of a weight behind the point

// `data` is RGBA of `width` x `height`. Returns the input and where the picture lies in it.
export function inputOf(picture, tensor, fit, table) {
  const [high, wide, channels] = tensor.nhwc;
  const place = placed(picture.width, picture.height, [wide, high], fit);
  const window = windowOf(resize(channelsOf(picture, channels), place.resized), place);
  const stored = new ARRAYS[tensor.dtype](window.length);
  for (let i = 0; i < window.length; i++) {
    stored[i] = table[table.length === 1 ? 0 : i % channels][window[i]];
  }
  return { input: stored, place };
}

export const ARRAYS = {
  float16: Uint16Array,
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

export function channelsOf({ data, width, height }, channels) {
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 3) {
      pixels[3 * i] = r;
      pixels[3 * i + 1] = g;
      pixels[3 * i + 2] = b;
    } else {
      pixels[i] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    }
  }
  return { pixels, width, height, channels };
}

// Pillow's ImagingResample for bytes: across, then down.
export function resize(image, [width, height]) {
  const { pixels, channels } = image;
  let [from, wide, high] = [pixels, image.width, image.height];
  if (wide !== width) {
    from = filtered(from, high, wide, width, channels, wide * channels, channels);
    wide = width;
  }
  if (high !== height) {
    const row = wide * channels;
    from = filtered(from, 1, high, height, row, 0, row);
    high = height;
  }
  return { pixels: from, width: wide, height: high, channels };
}

// `lines` lines of `size` groups of `group` bytes that are `step` apart become `made` groups each.
function filtered(from, lines, size, made, group, line, step) {
  const out = new Uint8Array(lines * made * group);
  const scale = size / made;
  const support = Math.max(scale, 1);
  for (let x = 0; x < made; x++) {
    const center = (x + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const last = Math.min(Math.trunc(center + support + 0.5), size);
    const real = [];
    let total = 0;
    for (let i = 0; i < last - first; i++) {
      const distance = Math.abs((i + first - center + 0.5) * (1 / support));
      real.push(distance < 1 ? 1 - distance : 0);
      total += real[i];
    }
    const weights = real.map((w) => Math.trunc(0.5 + (total === 0 ? w : w / total) * 2 ** BITS));
    for (let l = 0; l < lines; l++) {
      for (let c = 0; c < group; c++) {
        let sum = 1 << (BITS - 1);
        let at = l * line + first * step + c;
        for (let i = 0; i < weights.length; i++, at += step) sum += from[at] * weights[i];
        out[(l * made + x) * group + c] = Math.min(sum >> BITS, 255);
      }
    }
  }
  return out;
}

function windowOf({ pixels, width, height, channels }, place) {
  const [wide, high] = place.window;
  if (width === wide && height === high && !place.left && !place.top) return pixels;
  const window = new Uint8Array(wide * high * channels).fill(BAR);
  const [begin, end] = [Math.max(0, -place.left), Math.min(wide, width - place.left)];
  for (let y = Math.max(0, -place.top); y < Math.min(high, height - place.top); y++) {
    const from = ((y + place.top) * width + begin + place.left) * channels;
    const row = pixels.subarray(from, from + (end - begin) * channels);
    window.set(row, (y * wide + begin) * channels);
  }
  return window;
}
