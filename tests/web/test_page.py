"""The page of a bundle in headless Chromium: a dropped picture gives the host's bytes."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.answers import RUNTIME
from edgemnv2.codegen.ends import C_TYPES
from edgemnv2.firmware.bundle import bundle
from edgemnv2.firmware.web import VALUES
from edgemnv2.lab.web_results import serve
from edgemnv2.ops.store import load_graph
from edgemnv2.pipeline import compile_model
from edgemnv2.report.document import report
from edgemnv2.runners import runner_for
from edgemnv2.samples.images import open_picture, placement, preprocess
from tests.conftest import REPOSITORY, missing

DRIVER = Path(__file__).resolve().parent / "drive.mjs"
NETWORK = "digits-int8"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Artifact:
    if shutil.which("node") is None:
        missing(request.config, "node")
    return compile_model(NETWORK, "wasm", tmp_path_factory.mktemp("web") / "net")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A photograph's kind of picture: of another shape and size than the network's input."""
    rng = np.random.default_rng(7)
    blocks = np.kron(rng.integers(0, 240, (9, 13, 3)), np.ones((17, 23, 1)))
    noise = rng.integers(0, 16, blocks.shape)
    path = tmp_path / "picture.png"
    Image.fromarray((blocks + noise).astype(np.uint8)).save(path)
    return path


def drive(page: Path | str, picture: Path, config: pytest.Config, *flags: str) -> dict[str, Any]:
    chromium = shutil.which("chromium")
    npm = Path(os.environ.get("EDGEMNV2_NPM", REPOSITORY / ".venv" / "npm"))
    if chromium is None:
        missing(config, "chromium")
    if not (npm / "node_modules" / "puppeteer-core").is_dir():
        missing(config, "puppeteer-core")
    environment = {**os.environ, "EDGEMNV2_NPM": str(npm), "EDGEMNV2_CHROMIUM": str(chromium)}
    address = page if isinstance(page, str) else page.as_uri()
    command = ["node", str(DRIVER), address, str(picture), *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_a_dropped_picture_gives_the_hosts_bytes(
    artifact: Artifact,
    picture: Path,
    tmp_path: Path,
    require_tool: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> None:
    require_tool("gcc")
    made = bundle(artifact, "web", tmp_path / "page", single_file=True)
    seen = drive(made.path / "index.html", picture, request.config, "--camera")
    assert seen["errors"] == []
    assert seen["form"] == "simd"
    # Nothing but the page itself was asked for.
    assert len(seen["requests"]) == 1
    host = compile_model(NETWORK, "host", tmp_path / "host")
    graph = load_graph(host.path / "reference")
    tensor = graph.tensors[graph.inputs[0]]
    image = open_picture(picture)
    fit = host.manifest.task.fit
    assert placement(image, tensor, fit).resized != (image.width, image.height)
    x = preprocess(image, tensor, host.manifest.preprocess, fit)
    (name,) = seen["inputs"]
    assert base64.b64decode(seen["inputs"][name]) == x.tobytes()
    expected = runner_for(host).run(host, [x]).results[0]
    assert {n: base64.b64decode(y) for n, y in seen["outputs"].items()} == {
        n: y.tobytes() for n, y in expected.items()
    }
    # Drawn, told to readers of screens, reached by the keyboard, and the camera runs.
    assert seen["colours"] > 100
    assert all(line in seen["label"] for line in seen["answer"])
    assert seen["reached"][:3] == ["file", "camera", "threshold"]
    assert "frames/s" in seen["camera"]["rate"]
    # What is told when the camera stops is what the picture shows.
    assert seen["camera"]["before"] != seen["camera"]["listed"]
    assert seen["camera"]["label"].endswith(f": {seen['camera']['listed']}")


@pytest.mark.slow(ci=True)
def test_a_browser_without_simd_gives_the_same_bytes(
    artifact: Artifact, picture: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = bundle(artifact, "web", tmp_path / "page", single_file=True).path / "index.html"
    new, old = (drive(page, picture, request.config, *more) for more in ((), ("--old",)))
    assert old["errors"] == []
    assert (new["form"], old["form"]) == ("simd", "plain")
    assert "without SIMD" in old["told"]
    assert old["outputs"] == new["outputs"]


def test_a_served_page_gives_the_same_and_heeds_the_threshold(
    artifact: Artifact, picture: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alone = bundle(artifact, "web", tmp_path / "page", single_file=True).path / "index.html"
    expected = drive(alone, picture, request.config)
    with serve(bundle(artifact, "web", tmp_path / "served").path) as address:
        seen = drive(f"{address}/index.html", picture, request.config)
    assert seen["errors"] == []
    assert seen["threads"] == 1
    # The facts are rows for people, as in the page alone, and nothing is wider than the window.
    pages = [path.read_text() for path in (alone, tmp_path / "served" / "index.html")]
    facts = [re.findall(r"<dt>.*</dt><dd>.*</dd>", page) for page in pages]
    assert facts[0] == facts[1] and len(facts[0]) >= 8
    assert seen["wide"] <= 800
    # Every request stays where the page is from.
    assert all(url.startswith((address, "data:")) for url in seen["requests"])
    # What is asked for ahead is what is taken.
    asked = [url for url in seen["requests"] if url.startswith(address)]
    assert len(asked) == len(set(asked))
    assert {url.rsplit(".", 1)[-1] for url in asked} == {"html", "css", "js", "wasm", "bin"}
    assert (seen["outputs"], seen["answer"]) == (expected["outputs"], expected["answer"])
    assert len(seen["answer"]) > 1
    assert seen["strict"][0] == "100 %"
    assert len(seen["strict"]) == 2 and seen["strict"][1] not in seen["answer"]


def test_an_isolated_page_runs_two_threads_and_gives_the_same(
    artifact: Artifact, picture: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    served = bundle(artifact, "web", tmp_path / "served").path
    seen = {}
    for isolated in (False, True):
        with serve(served, isolated=isolated) as address:
            seen[isolated] = drive(f"{address}/index.html", picture, request.config, "--camera")
        assert seen[isolated]["errors"] == []
    assert (seen[False]["threads"], seen[True]["threads"]) == (1, 2)
    assert "two threads" in seen[True]["told"]
    assert seen[True]["outputs"] == seen[False]["outputs"]
    # Inference after inference, the worker asleep or not.
    assert "frames/s" in seen[True]["camera"]["rate"]


@pytest.mark.slow(ci=True)
def test_a_small_network_is_a_small_page(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    made = compile_model("mobilenetv2-0.35-96-int8", "wasm", tmp_path / "net")
    page = bundle(made, "web", tmp_path / "page", single_file=True).path / "index.html"
    assert page.stat().st_size < 2_500_000
    code = [path for path in made.files("lib") if path.suffix == ".wasm"]
    assert max(path.stat().st_size for path in code) < 300_000


def test_the_module_runs_in_node_with_simd_and_without(artifact: Artifact, tmp_path: Path) -> None:
    made = bundle(artifact, "web", tmp_path / "module")
    script = tmp_path / "try.mjs"
    script.write_text(
        f'import {{ load, facts }} from "{made.path.as_uri()}/index.js";\n'
        """
const count = facts.inputs[0].nhwc.reduce((a, b) => a * b, 1);
const x = new Int8Array(count).map((_, i) => ((i * 37) % 256) - 128);
const told = [];
for (const forms of [["simd", "plain"], ["plain"]]) {
  facts.forms = forms;
  const network = await load();
  const outputs = network.run({ [facts.inputs[0].name]: x });
  let refused = "";
  try { network.run({}); } catch (error) { refused = error.message; }
  const bytes = Object.values(outputs).map((y) => Array.from(y));
  told.push({ form: network.form, bytes, best: network.decode(outputs).classes[0].index, refused });
}
console.log(JSON.stringify(told));
"""
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    simd, plain = json.loads(done.stdout)
    assert (simd["form"], plain["form"]) == ("simd", "plain")
    assert simd["bytes"] == plain["bytes"]
    assert "expected a Int8Array of 1024" in simd["refused"]
    x = ((np.arange(1024) * 37) % 256 - 128).astype(np.int8).reshape(artifact.inputs[0].nhwc)
    expected = runner_for(artifact).run(artifact, [x]).outputs[0]
    assert simd["bytes"] == [expected.ravel().tolist()]
    assert simd["best"] == int(expected.argmax())
    package = json.loads((made.path / "package.json").read_text())
    assert package["name"] == artifact.name
    assert (made.path / "index.d.ts").read_text().count("Int8Array") >= 3


def test_constants_come_in_pieces_and_must_be_all(
    artifact: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("node")
    made = bundle(artifact, "web", tmp_path / "module")
    script = tmp_path / "pieces.mjs"
    script.write_text(
        f'import {{ load, facts }} from "{made.path.as_uri()}/index.js";\n'
        f'const file = "{made.path.as_posix()}/{artifact.name}.bin";\n'
        """
import fs from "node:fs";
const all = new Uint8Array(fs.readFileSync(file));
const pieces = (bytes, size) =>
  new Response(
    new ReadableStream({
      start(stream) {
        for (let at = 0; at < bytes.length; at += size) stream.enqueue(bytes.slice(at, at + size));
        stream.close();
      },
    }),
  );
const x = new Int8Array(facts.inputs[0].nhwc.reduce((a, b) => a * b, 1)).map((_, i) => i % 119);
const told = [];
const longer = new Uint8Array(all.length + 1);
for (const constants of [all, pieces(all, 1000), pieces(all, 1 << 30), all.slice(1), longer]) {
  try {
    const outputs = (await load({ constants })).run({ [facts.inputs[0].name]: x });
    told.push(Object.values(outputs).map((y) => Array.from(y)));
  } catch (error) {
    told.push(error.message);
  }
}
console.log(JSON.stringify(told));
"""
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, small, large, short, long = json.loads(done.stdout)
    assert whole == small == large
    size = (made.path / f"{artifact.name}.bin").stat().st_size
    assert f"have {size - 1} bytes, expected {size}" in short
    assert f"have {size + 1} bytes, expected {size}" in long


def test_a_report_has_the_network_in_it(
    artifact: Artifact, picture: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = tmp_path / "report.html"
    page.write_text(report([artifact.path]), encoding="utf-8")
    seen = drive(page, picture, request.config)
    assert seen["errors"] == []
    made = bundle(artifact, "web", tmp_path / "page", single_file=True)
    alone = drive(made.path / "index.html", picture, request.config)
    assert seen["outputs"] == alone["outputs"]
    assert seen["answer"] == alone["answer"]


def test_every_type_of_tensor_has_an_array() -> None:
    assert VALUES.keys() == C_TYPES.keys()
    text = (RUNTIME / "web" / "pixels.js").read_text(encoding="utf-8")
    for dtype, array in VALUES.items():
        assert f"  {dtype}: {array},\n" in text


def test_two_bundles_are_byte_identical(artifact: Artifact, tmp_path: Path) -> None:
    one, two = (bundle(artifact, "web", tmp_path / name) for name in ("one", "two"))
    assert one.files == two.files
    for name in one.files:
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
