"""Two threads in one memory say what one says, in Node.js."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.answers import RUNTIME
from edgemnv2.codegen.wasm import read_wasm
from edgemnv2.errors import UsageError
from edgemnv2.pipeline import CompileOptions, compile_model
from edgemnv2.runners import runner_for

SCRIPT = Path(__file__).resolve().parent / "two.mjs"
NETWORK = "digits-int8"
ROUNDS = 50


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model(NETWORK, "wasm", tmp_path_factory.mktemp("two") / "net")


def test_two_threads_give_the_bytes_of_one(
    artifact: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    library, name = artifact.path / "lib", artifact.name
    two = library / f"{name}_two.wasm"
    (source,), (out,) = artifact.inputs, artifact.outputs
    x = np.random.default_rng(3).integers(-128, 128, source.nhwc, np.int64).astype(np.int8)
    x.tofile(tmp_path / "x.bin")
    files = [library / f"{name}.bin", library / f"{name}.wasm", two]
    pages = read_wasm(two).memory_pages
    size = int(np.prod(out.nhwc))
    command = ["node", SCRIPT, *files, pages, tmp_path / "x.bin", size, ROUNDS]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    one, *several, ended = done.stdout.split("\n")[:-1]
    assert len(one) == 2 * size
    assert several == [one] * ROUNDS
    assert ended == "ended 0"


def test_node_runs_one_thread(artifact: Artifact, require_tool: Callable[[str], str]) -> None:
    require_tool("node")
    assert artifact.manifest.threads == (1, 2)
    x = np.zeros(artifact.inputs[0].nhwc, np.int8)
    with pytest.raises(UsageError, match="threads=2"):
        runner_for(artifact).run(artifact, [x], threads=2)


@pytest.mark.parametrize(("target", "threads"), [("wasm", 3), ("wasm-plain", 2)])
def test_other_numbers_of_threads_are_refused(target: str, threads: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"threads={threads}: expected 1"):
        compile_model(NETWORK, target, tmp_path / "net", CompileOptions(threads=threads))


CHOICE = """
import {{ Network }} from "{module}";
let clock = 0;
globalThis.performance = {{ now: () => clock }};
const calls = {{ run: 0, run_two: 0 }};
const milliseconds = {milliseconds};
const spend = (name) => () => {{
  calls[name]++;
  clock += milliseconds[name];
  return 0;
}};
const exports = {{ constants: () => 0, run: spend("run"), run_two: spend("run_two") }};
const memory = {{ buffer: new ArrayBuffer(8) }};
const facts = {{ inputs: [], outputs: [] }};
const network = new Network(facts, {{ exports }}, "simd", memory);
network.threads = 2;
for (let i = 0; i < 320; i++) network.run({{}});
console.log(JSON.stringify(calls));
"""


@pytest.mark.parametrize(("one", "two"), [(10, 6), (10, 100)])
def test_the_quicker_number_of_threads_is_used(
    one: int, two: int, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    script = tmp_path / "choice.mjs"
    module = (RUNTIME / "web" / "network.js").as_uri()
    script.write_text(CHOICE.format(module=module, milliseconds={"run": one, "run_two": two}))
    done = subprocess.run(["node", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout)
    quicker, other = ("run", "run_two") if one < two else ("run_two", "run")
    # The other one is tried now and then: what else the machine does may have changed.
    assert calls[quicker] + calls[other] == 320
    assert 5 <= calls[other] <= 12
