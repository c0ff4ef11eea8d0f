"""The pages in which engines are measured: one for all, and one for the first answer of each.

The latter is what a page would be that is made for one engine: it imports it, and its head asks
ahead for what the engine's own scripts ask for later, one after another; for ours as the head of
the page of a bundle does.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.firmware.templates import fill

__all__ = ["FIRST", "PEERS_FOLDER", "First", "write_pages"]

PEERS_FOLDER = Path(__file__).resolve().parent / "web_peers"
SCRIPTS = ("page.js", "first.js", "ours.js", "onnxruntime-web.js", "litert.js")
ONNX = "/node_modules/onnxruntime-web/dist/"
LITERT = "/node_modules/@litertjs/core/"
IMPORTS = f"""<script type="importmap">
{{"imports": {{
  "@litertjs/core": "{LITERT}dist/index.js",
  "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js",
  "onnxruntime-web": "{ONNX}ort.wasm.min.mjs"
}}}}
</script>
"""
"""Where all pages find the engines."""


@dataclass(frozen=True)
class First:
    """What one engine's page asks ahead for, and the function of which script opens the engine."""

    file: str
    modules: tuple[str, ...]
    data: tuple[str, ...]
    function: str = "open"


_OURS = (("/ours/index.js",), ("/ours/@NAME@.wasm", "/ours/@NAME@.bin"))
FIRST = {
    "ours": First("ours.js", *_OURS),
    "loaded": First("ours.js", *_OURS, function="openLoaded"),
    "onnxruntime-web": First(
        "onnxruntime-web.js",
        (f"{ONNX}ort.wasm.min.mjs", f"{ONNX}ort-wasm-simd-threaded.mjs"),
        (f"{ONNX}ort-wasm-simd-threaded.wasm", "/models/model.onnx"),
    ),
    "litert.js": First(
        "litert.js",
        (f"{LITERT}dist/index.js",),
        (f"{LITERT}wasm/litert_wasm_internal.wasm", "/models/model.tflite"),
    ),
}


def write_pages(site: Path, name: str) -> None:
    """`page.html`, `first-<engine>.html` and their scripts; `name`: of our artefact."""
    for file in SCRIPTS:
        shutil.copy(PEERS_FOLDER / file, site)
    _write(site / "page.html", "page.html", {})
    for engine, first in FIRST.items():
        modules = (*first.modules, "first.js", first.file)
        links = [f'<link rel="modulepreload" href="{file}">\n' for file in modules]
        links += [
            f'<link rel="preload" as="fetch" crossorigin href="{file}">\n' for file in first.data
        ]
        values = {
            "ENGINE": engine,
            "AHEAD": "".join(links).replace("@NAME@", name),
            "FILE": first.file,
            "OPEN": first.function,
        }
        _write(site / f"first-{engine}.html", "first.html", values)


def _write(page: Path, template: str, values: dict[str, str]) -> None:
    text = (PEERS_FOLDER / template).read_text(encoding="utf-8")
    page.write_text(fill(text, {"IMPORTS": IMPORTS, **values}), encoding="utf-8", newline="\n")
