"""Ours beside onnxruntime-web and LiteRT.js, in one page of headless Chromium.

Peers run on one thread, ours also on two.

The peers and what drives the browser come from npm, pinned by `web_peers/package.json`, into a
temporary folder, or are taken from the folder that EDGEMNV2_NPM names; nothing of them is in the
package. Everything is served from this machine. In one page the engines infer in turn, so a ratio
holds on a machine that is not quiet; from opening a page to its first answer each has pages of its
own, without a cache, in turn as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.engines.table import write_model
from edgemnv2.errors import RunnerError
from edgemnv2.firmware.bundle import bundle
from edgemnv2.lab.host_results import FLOAT_MODEL, FLOAT_TOLERANCE, INT8_MODEL, machine
from edgemnv2.lab.web_pages import PEERS_FOLDER, write_pages
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.pipeline import compile_model

__all__ = ["measure_web", "serve", "web_table"]

OURS, ONE, LOADED = "ours", "one", "loaded"
PEERS = {"float32": ("onnxruntime-web", "litert.js"), "int8": ("litert.js",)}
FORMATS = {
    "onnxruntime-web": ("onnxruntime", "model.onnx"),
    "litert.js": ("litert", "model.tflite"),
}
# LiteRT.js takes relaxed SIMD where the browser has it, for products of int8 too; onnxruntime-web
# does not.
RUNS = (("float32", "wasm"), ("float32", "wasm-relaxed"), ("int8", "wasm"))
PACKAGES = {"onnxruntime-web": "onnxruntime-web", "litert.js": "@litertjs/core"}
ROUNDS = 60
OPENINGS = 7
# XNNPACK rounds int8 otherwise than the reference; further apart it would be another network.
INT8_TOLERANCE = 8


def measure_web(say: Callable[[str], None], int8_model: Path | None = None) -> list[dict[str, Any]]:
    """A row for each of `RUNS`.

    `int8_model`: a .tflite to take instead of the built-in network; LiteRT.js runs that very file.
    Raises RunnerError where there is no Chromium, Node.js or npm.
    """
    with tempfile.TemporaryDirectory(prefix="edgemnv2-") as folder:
        root = Path(folder)
        npm = _peers(root, say)
        rows = []
        for dtype, target in RUNS:
            given = int8_model if dtype == "int8" else None
            source = given or (INT8_MODEL if dtype == "int8" else FLOAT_MODEL)
            say(f"{dtype}: compile {source} for {target}")
            artifact = compile_model(source, target, root / f"artifact-{dtype}-{target}")
            site = _site(artifact, dtype, given, root / f"{dtype}-{target}", npm)
            say(f"{dtype}: run")
            with serve(site) as address:
                row = _row(artifact, dtype, address, npm)
            with serve(site, isolated=True) as address:
                two = _two_threads(artifact, address, npm)
            rows.append({**row, "two_threads": two})
        return rows


def _peers(root: Path, say: Callable[[str], None]) -> Path:
    """The folder that has `node_modules`."""
    for program in ("node", "npm", "chromium"):
        if shutil.which(program) is None:
            raise RunnerError(f"{program}: is not installed (apt install nodejs npm chromium)")
    if "EDGEMNV2_NPM" in os.environ:
        return Path(os.environ["EDGEMNV2_NPM"]).resolve()
    say("npm install")
    npm = root / "npm"
    npm.mkdir()
    shutil.copy(PEERS_FOLDER / "package.json", npm)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    _run([*command, "--prefix", str(npm)], {})
    return npm


def _site(artifact: Artifact, dtype: str, given: Path | None, site: Path, npm: Path) -> Path:
    """What is served: the pages, our bundle, the models of the peers, the peers."""
    site.mkdir()
    (site / "models").mkdir()
    write_pages(site, artifact.name)
    bundle(artifact, "web", site / "ours")
    graph = load_graph(artifact.path / REFERENCE_FOLDER)
    for peer in PEERS[dtype]:
        engine, file = FORMATS[peer]
        model = given or write_model(engine, graph, site / "models")
        shutil.copy(model, site / "models" / file)
    (site / "node_modules").symlink_to(npm / "node_modules")
    return site


class _Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; tells nobody what it was asked for."""

    extensions_map = {  # noqa: RUF012 - the library declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """By the kernel: what serves runs on the processors of what is measured."""
        outputfile.flush()
        self.connection.sendfile(source)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class _Isolated(_Quiet):
    """Its pages are isolated from other origins, so that they may share memory with workers."""

    def end_headers(self) -> None:
        """Those that isolate before the end."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@contextmanager
def serve(folder: Path, *, isolated: bool = False) -> Iterator[str]:
    """The address at which `folder` is served, on this machine only."""
    handler = partial(_Isolated if isolated else _Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _row(artifact: Artifact, dtype: str, address: str, npm: Path) -> dict[str, Any]:
    names = (OURS, *PEERS[dtype])

    opening = (OURS, LOADED, *PEERS[dtype])
    openings = [_first(artifact, address, name) for _ in range(OPENINGS) for name in opening]
    # Against one peer at a time: no third one between.
    pairs = [_page(artifact, address, (OURS, peer)) for peer in names[1:]]
    results = _open([*openings, *pairs], npm)
    opened = {name: results[at : len(openings) : len(opening)] for at, name in enumerate(opening)}
    first = {name: [result["first"] for result in opened[name]] for name in opening}
    row: dict[str, Any] = {
        "network": "1.0-224",
        "dtype": dtype,
        "target": artifact.target.name,
        "model": artifact.manifest.model.name,
        "machine": machine(),
        "code_bytes": {name: opened[name][0]["code_bytes"] for name in names},
        "first_answer": {name: float(np.median(first[name])) for name in opening},
        "against": {},
    }
    for peer, result in zip(names[1:], results[len(openings) :], strict=True):
        seconds = {name: np.array(result["seconds"][name]) for name in (OURS, peer)}
        ratio = seconds[OURS] / seconds[peer]
        answers = [np.array(result["answers"][name], np.float64) for name in (OURS, peer)]
        error = float(np.abs(answers[0] - answers[1]).max())
        limit = INT8_TOLERANCE if dtype == "int8" else FLOAT_TOLERANCE * np.abs(answers[0]).max()
        if answers[0].shape != answers[1].shape or error > limit:
            raise SystemExit(f"{peer}: computes something else than {artifact.path} ({error:g})")
        quicker = np.array(first[OURS]) / np.array(first[peer])
        row["against"][peer] = {
            "version": _version(npm, PACKAGES[peer]),
            "ours": float(np.median(seconds[OURS])),
            "theirs": float(np.median(seconds[peer])),
            "ratio": float(np.median(ratio)),
            "ratio_p05": float(np.percentile(ratio, 5)),
            "ratio_p95": float(np.percentile(ratio, 95)),
            "first_answer_ratio": float(np.median(quicker)),
            "max_abs_error": error,
        }
    return row


def _first(artifact: Artifact, address: str, engine: str) -> str:
    """The address of the page that is made for `engine`."""
    return f"{address}/first-{engine}.html?{urlencode({'dtype': artifact.inputs[0].dtype})}"


def _page(artifact: Artifact, address: str, engines: Sequence[str]) -> str:
    """The address at which `engines` run the network in turn."""
    dtype = artifact.inputs[0].dtype
    query = urlencode({"engines": ",".join(engines), "dtype": dtype, "rounds": ROUNDS})
    return f"{address}/page.html?{query}"


def _two_threads(artifact: Artifact, address: str, npm: Path) -> dict[str, float]:
    """Seconds on two threads and on one, in turn in an isolated page, and the ratio of pairs."""
    (result,) = _open([_page(artifact, address, (OURS, ONE))], npm)
    if result["answers"][OURS] != result["answers"][ONE]:
        raise SystemExit(f"{address}: two threads say something else than one")
    two, one = (np.array(result["seconds"][name]) for name in (OURS, ONE))
    return {
        "one": float(np.median(one)),
        "two": float(np.median(two)),
        "ratio": float(np.median(one / two)),
    }


def _open(pages: Sequence[str], npm: Path) -> list[dict[str, Any]]:
    chromium = str(shutil.which("chromium"))
    environment = {"EDGEMNV2_NPM": str(npm), "EDGEMNV2_CHROMIUM": chromium}
    said = _run(["node", str(PEERS_FOLDER / "drive.mjs"), *pages], environment)
    results: list[dict[str, Any]] = json.loads(said)
    for page, result in zip(pages, results, strict=True):
        if "error" in result:
            raise RunnerError(f"{page}: {result['error']} (run it in a browser of your own)")
    return results


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode:
        raise RunnerError(f"{' '.join(command[:2])}: {done.stderr[-2000:]} (mend it, run again)")
    return done.stdout


def _version(npm: Path, package: str) -> str:
    text = (npm / "node_modules" / package / "package.json").read_text(encoding="utf-8")
    return str(json.loads(text)["version"])


def web_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a network and peer."""
    lines = [
        f"{rows[0]['machine']['cpu']}, headless Chromium, one thread",
        "",
        "| 1.0/224 | beside | ours, theirs, ms | ours / theirs (5 to 95 %) "
        "| first answer, ms: ours (loaded), theirs | ours / theirs | code, KiB: ours, theirs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first, code = row["first_answer"], row["code_bytes"]
        lines += [
            f"| {row['dtype']}, {row['target']} | {name} {x['version']} | {x['ours'] * 1e3:.2f}, "
            f"{x['theirs'] * 1e3:.2f} | **{x['ratio']:.3f}** ({x['ratio_p05']:.2f} to "
            f"{x['ratio_p95']:.2f}) | {first[OURS] * 1e3:.0f} ({first[LOADED] * 1e3:.0f}), "
            f"{first[name] * 1e3:.0f} "
            f"| **{x['first_answer_ratio']:.3f}** | {code[OURS] / 1024:.0f}, "
            f"{code[name] / 1024:.0f} |"
            for name, x in row["against"].items()
        ]
    lines += [
        "",
        "| 1.0/224, a page isolated from other origins | one thread, two, ms | one / two |",
        "|---|---|---|",
    ]
    for row in rows:
        two = row["two_threads"]
        lines.append(
            f"| {row['dtype']}, {row['target']} | {two['one'] * 1e3:.2f}, {two['two'] * 1e3:.2f} "
            f"| **{two['ratio']:.2f}** |"
        )
    return lines
