"""What a page has inside is unpacked as zlib would: by Node.js, and by our own code."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from edgemnv2.codegen.answers import RUNTIME

SCRIPT = """\
import zlib from "node:zlib";
import { inflate, inflated } from "./inflate.mjs";
let seed = 12345;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * below);
};
const wanted = (ok, what) => {
  if (!ok) throw new Error(what);
};
const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = zlib.constants;
const ways = [{ level: 0 }, { level: 1 }, { level: 9 }, { strategy: Z_FIXED }];
ways.push({ strategy: Z_HUFFMAN_ONLY }, { strategy: Z_RLE }, { level: 9, windowBits: 9 });
// Noise, few values, bytes that come again near or far, and lengths of all sizes.
function sample(kind) {
  const data = Buffer.alloc(random(1 << random(19)));
  const back = 1 + random(40000);
  for (let i = 0; i < data.length; i++) {
    const byte = random(256);
    if (kind === 0) data[i] = byte;
    else if (kind === 1) data[i] = byte % (1 + (back % 9));
    else if (kind === 2) data[i] = i < back || byte < 3 ? byte : data[i - back];
    else data[i] = byte * byte * byte >> 16;
  }
  return data;
}
let same = 0;
for (let round = 0; round < 120; round++) {
  const data = sample(round % 4);
  for (const way of ways) {
    const small = zlib.deflateSync(data, way);
    wanted(data.equals(inflate(small)), `round ${round}: ${JSON.stringify(way)}`);
    same += 1;
  }
  if (round % 20 === 0) {
    const small = zlib.deflateSync(data);
    wanted(data.equals(await inflated(small)), "the engine's differs");
    const stream = globalThis.DecompressionStream;
    globalThis.DecompressionStream = undefined;
    wanted(data.equals(await inflated(small)), "ours, where the engine has none, differs");
    globalThis.DecompressionStream = stream;
  }
}
// Damage is refused where zlib refuses it, and by words.
let refused = 0;
for (let round = 0; round < 1500; round++) {
  const data = Buffer.from(sample(round % 4).subarray(0, 400).toString("hex").slice(0, 500));
  const small = zlib.deflateSync(data, ways[round % ways.length]);
  const cut = round % 3 === 0 ? small.subarray(0, random(small.length)) : small;
  if (round % 3 && small.length) small[random(small.length)] ^= 1 << random(8);
  let [theirs, ours] = [null, null];
  try {
    theirs = zlib.inflateSync(cut);
  } catch {}
  try {
    ours = inflate(cut);
  } catch (error) {
    wanted(error.message.startsWith("the compressed bytes are damaged"), String(error));
  }
  wanted((theirs === null) === (ours === null), `damage ${round}: ${theirs && theirs.length}`);
  if (theirs) wanted(theirs.equals(ours), `damage ${round}: other bytes`);
  else refused += 1;
}
console.log(same, refused > 1000);
"""


def test_zlibs_bytes_come_back_and_damage_is_refused(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    node = require_tool("node")
    text = (RUNTIME / "web" / "inflate.js").read_text(encoding="utf-8")
    (tmp_path / "inflate.mjs").write_text(text, encoding="utf-8")
    (tmp_path / "try.mjs").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([node, "try.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["840", "true"]
