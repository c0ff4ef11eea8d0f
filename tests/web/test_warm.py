"""A network that is warmed while its weights come: its answers are those of a cold one."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.errors import ModelError
from edgemnv2.firmware.bundle import bundle
from edgemnv2.frontend import load_model
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.memory import planner
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_graph, compile_model
from edgemnv2.target import load_target
from tests.networks.random_tflite import random_network
from tests.streaming.random_networks import HASTY_PLANNER

FEW = 2
MANY = 20
SLOW = pytest.mark.slow(ci=True)
KINDS = (
    "digits",
    pytest.param("digits-detector-int8", marks=SLOW),
    pytest.param("digits-segmenter-int8", marks=SLOW),
    pytest.param("ssdlite-mobilenetv2-320-int8", marks=pytest.mark.slow),
)

# Each module without and with a warming that ends at some step, on some part of the constants: the
# bytes of all outputs. Nothing of the warming may trap or be seen.
SCRIPT = """
import fs from "node:fs";
const [folder, name, inputs, outputs] = JSON.parse(process.argv[2]);
const constants = fs.readFileSync(`${folder}/${name}.bin`);
const told = [];
let state = 1;
const byte = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
const given = inputs.map(([size, float]) => {
  const values = Uint8Array.from({ length: size }, byte);
  if (float) new Float32Array(values.buffer).forEach((_, i, all) => (all[i] = byte() / 64 - 2));
  return values;
});
for (const form of ["", "_plain"]) {
  const code = new WebAssembly.Module(fs.readFileSync(`${folder}/${name}${form}.wasm`));
  const answer = (share, budget) => {
    const { exports } = new WebAssembly.Instance(code);
    exports._initialize?.();
    const memory = new Uint8Array(exports.memory.buffer);
    memory.set(constants.subarray(0, Math.floor(constants.length * share)), exports.constants());
    const more = budget && exports.warm(budget);
    memory.set(constants, exports.constants());
    given.forEach((values, i) => memory.set(values, exports.input_place(i)));
    if (exports.run() !== 0) throw new Error("status");
    const place = (i) => exports.output_place(i);
    const texts = outputs.map((size, i) => Buffer.from(memory.slice(place(i), place(i) + size)));
    return [more, texts.map((text) => text.toString("base64"))];
  };
  const cold = answer(0, 0);
  for (const share of [0, 0.3, 0.8, 1])
    for (const budget of [1, 7, 40, 1 << 20])
      told.push([cold[1], budget, ...answer(share, budget)]);
}
console.log(JSON.stringify(told));
"""


def size_bytes(tensor: ArtifactTensor) -> int:
    return math.prod(tensor.nhwc) * np.dtype(tensor.dtype).itemsize


def assert_warmed_is_cold(artifact: Artifact) -> None:
    sizes = [
        [[size_bytes(x), x.dtype == "float32"] for x in artifact.inputs],
        [size_bytes(y) for y in artifact.outputs],
    ]
    given = json.dumps([str(artifact.path / "lib"), artifact.name, *sizes])
    command = ["node", "--input-type=module", "-", given]
    done = subprocess.run(command, input=SCRIPT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == 32
    for cold, budget, more, warmed in told:
        assert warmed == cold
        if budget == 1 << 20:
            assert more == 0


@pytest.mark.parametrize("name", KINDS)
def test_what_was_warmed_says_what_a_cold_network_says(
    name: str, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    assert_warmed_is_cold(compile_model(name, "wasm", tmp_path / "net"))


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=SLOW)], ids=["few", "many"])
def test_nothing_of_the_vocabulary_traps_on_weights_that_have_not_come(
    count: int, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    tried, seed = 0, 91000
    with patch.multiple(planner, **HASTY_PLANNER):
        while tried < count:
            seed += 1
            net = random_network(seed)
            path = tmp_path / f"net{seed}{net.suffix}"
            path.write_bytes(net.blob)
            try:
                graph = lower(load_model(path))
            except ModelError:
                continue
            artifact = compile_graph(graph, load_target("wasm"), tmp_path / f"made{seed}")
            assert_warmed_is_cold(artifact)
            tried += 1


PIECES = """
const {{ load, facts }} = await import("{address}/index.js");
import fs from "node:fs";
const all = new Uint8Array(fs.readFileSync(new URL("{address}/{name}.bin")));
const pieces = (milliseconds) =>
  new Response(
    new ReadableStream({{
      async start(stream) {{
        for (let at = 0; at < all.length; at += 4096) {{
          if (milliseconds) await new Promise((resolve) => setTimeout(resolve, milliseconds));
          stream.enqueue(all.slice(at, at + 4096));
        }}
        stream.close();
      }},
    }}),
  );
const x = new Int8Array(facts.inputs[0].nhwc.reduce((a, b) => a * b, 1)).map((_, i) => i % 119);
const told = [];
for (const constants of [all, pieces(0), pieces(20)]) {{
  const network = await load({{ constants }});
  const outputs = Object.values(network.run({{ [facts.inputs[0].name]: x }}));
  told.push([network.cold, outputs.map((y) => Array.from(y))]);
}}
console.log(JSON.stringify(told));
"""


@SLOW
def test_weights_that_take_their_time_leave_it_for_warming(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    artifact = compile_model("digits-int8", "wasm", tmp_path / "net")
    assert_warmed_is_cold(artifact)
    made = bundle(artifact, "web", tmp_path / "module")
    script = PIECES.format(address=made.path.as_uri(), name=artifact.name)
    command = ["node", "--input-type=module", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (at_once, whole), (_, soon), (slowly, late) = json.loads(done.stdout)
    assert whole == soon == late
    # What is there is not waited for, so nothing runs before its time.
    assert (at_once, slowly) == (True, False)
