// What zlib has made smaller (RFC 1950, 1951), for a page that has its network inside.

// The bytes as they were; by the browser, or by us in one that is too old for it.
export async function inflated(bytes) {
  if (typeof DecompressionStream === "undefined") return inflate(bytes);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The bytes that base64 stands for.
export function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

// Lengths of copies 257..285 and distances 0..29: where each begins, and how many bits follow.
const COPY_BITS = [...spread(8, 4, 6), 0];
const COPY_BASE = [...starts(COPY_BITS.slice(0, -1), 3), 258];
const BACK_BITS = spread(4, 2, 14);
const BACK_BASE = starts(BACK_BITS, 1);
// In which order the lengths of the codes of code lengths are given.
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const END = 256;
const LONGEST = 15; // bits of a code

// `first` zeros, then 1, 2, ... below `groups`, each so many times.
function spread(first, each, groups) {
  const bits = new Array(first).fill(0);
  for (let group = 1; group < groups; group++) bits.push(...new Array(each).fill(group));
  return bits;
}

function starts(bits, first) {
  let next = first;
  return bits.map((count) => (next += 2 ** count) - 2 ** count);
}

// The whole of a zlib stream; throws where it is damaged.
export function inflate(bytes) {
  const from = new Bits(bytes);
  if ((bytes[0] & 15) !== 8 || ((bytes[0] << 8) | bytes[1]) % 31 || bytes[1] & 32) damaged("head");
  const to = { bytes: new Uint8Array(4 * bytes.length + 1024), size: 0 };
  for (let last = 0; !last; ) {
    last = from.take(1);
    const kind = from.take(2);
    if (kind === 0) stored(from, to);
    else if (kind === 1) coded(from, to, FIXED, FIXED_BACK);
    else if (kind === 2) coded(from, to, ...codesOf(from));
    else damaged("kind of block");
  }
  from.align();
  const told = [0, 1, 2, 3].reduce((sum) => sum * 256 + from.take(8), 0);
  const found = to.bytes.subarray(0, to.size);
  if (told !== adler32(found)) damaged("checksum");
  return found.slice();
}

function damaged(what) {
  throw new Error(`the compressed bytes are damaged: ${what} (get the page once more)`);
}

// Bits of bytes, the lowest first.
class Bits {
  constructor(bytes) {
    [this.bytes, this.at, this.held, this.count] = [bytes, 2, 0, 0];
  }

  // The next bits without taking them, zeros behind the end.
  look(count) {
    while (this.count < count) {
      this.held |= (this.at < this.bytes.length ? this.bytes[this.at] : 0) << this.count;
      this.at += 1;
      this.count += 8;
    }
    return this.held & ((1 << count) - 1);
  }

  drop(count) {
    this.held >>>= count;
    this.count -= count;
    if (this.at - (this.count >> 3) > this.bytes.length) damaged("too short");
  }

  take(count) {
    const bits = this.look(count);
    this.drop(count);
    return bits;
  }

  align() {
    this.drop(this.count & 7);
  }

  // One symbol of a code.
  symbol(code) {
    const entry = code.table[this.look(code.longest)];
    if (!entry) damaged("code");
    this.drop(entry & 15);
    return entry >> 4;
  }
}

// A table from the next `longest` bits to a symbol and the length of its code.
function codeOf(lengths) {
  const longest = lengths.reduce((a, b) => Math.max(a, b), 1);
  const table = new Uint16Array(1 << longest);
  let [code, room] = [0, 1 << longest];
  for (let length = 1; length <= longest; length++, code <<= 1) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      room -= 1 << (longest - length);
      if (room < 0) damaged("lengths of codes");
      let reversed = 0;
      for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
      for (let at = reversed; at < table.length; at += 1 << length)
        table[at] = (symbol << 4) | length;
      code += 1;
    }
  }
  return { table, longest };
}

const FIXED = codeOf(
  Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < END ? 9 : i < 280 ? 7 : 8)),
);
const FIXED_BACK = codeOf(new Array(30).fill(5));

// The two codes at the head of a block: of bytes and lengths, and of distances.
function codesOf(from) {
  const [copies, backs, given] = [from.take(5) + 257, from.take(5) + 1, from.take(4) + 4];
  const own = new Array(ORDER.length).fill(0);
  for (let i = 0; i < given; i++) own[ORDER[i]] = from.take(3);
  const code = codeOf(own);
  const lengths = [];
  while (lengths.length < copies + backs) {
    const symbol = from.symbol(code);
    if (symbol === 16 && !lengths.length) damaged("repeated length");
    if (symbol <= LONGEST) lengths.push(symbol);
    else if (symbol === 16) repeat(lengths, lengths[lengths.length - 1], 3 + from.take(2));
    else repeat(lengths, 0, symbol === 17 ? 3 + from.take(3) : 11 + from.take(7));
  }
  if (lengths.length > copies + backs) damaged("lengths of codes");
  return [codeOf(lengths.slice(0, copies)), codeOf(lengths.slice(copies))];
}

function repeat(list, value, times) {
  for (let i = 0; i < times; i++) list.push(value);
}

function stored(from, to) {
  from.align();
  const count = from.take(16);
  if ((count ^ from.take(16)) !== 0xffff) damaged("length of a block");
  for (let i = 0; i < count; i++) put(to, from.take(8));
}

function coded(from, to, copies, backs) {
  for (;;) {
    const symbol = from.symbol(copies);
    if (symbol < END) {
      put(to, symbol);
      continue;
    }
    if (symbol === END) return;
    const kind = symbol - END - 1;
    if (kind >= COPY_BASE.length) damaged("length of a copy");
    const count = COPY_BASE[kind] + from.take(COPY_BITS[kind]);
    const far = from.symbol(backs);
    if (far >= BACK_BASE.length) damaged("distance");
    const distance = BACK_BASE[far] + from.take(BACK_BITS[far]);
    if (distance > to.size) damaged("distance");
    for (let i = 0; i < count; i++) put(to, to.bytes[to.size - distance]);
  }
}

function put(to, byte) {
  if (to.size === to.bytes.length) {
    const larger = new Uint8Array(2 * to.size);
    larger.set(to.bytes);
    to.bytes = larger;
  }
  to.bytes[to.size++] = byte;
}

function adler32(bytes) {
  let [a, b] = [1, 0];
  for (let at = 0; at < bytes.length; ) {
    const stop = Math.min(at + 3800, bytes.length); // the sums stay below 2^32
    for (; at < stop; at++) b += a += bytes[at];
    [a, b] = [a % 65521, b % 65521];
  }
  return b * 65536 + a;
}
