"""The bundle for the web: an ES module with types, which npm takes, and a page that uses it.

Or the page alone, as one file that a double click opens: modules joined, WebAssembly and constants
compressed and in base64. JavaScript, style and page are the files of `runtime/web/`.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.answers import RUNTIME
from edgemnv2.codegen.wasm import read_wasm
from edgemnv2.firmware.parts import Files
from edgemnv2.firmware.templates import fill, read_template
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.samples.images import stored_bytes

__all__ = [
    "VALUES",
    "inline_network",
    "joined_modules",
    "page_file",
    "panel",
    "panel_style",
    "web_facts",
    "web_files",
]

_WEB = RUNTIME / "web"
NETWORK = ("geometry.js", "pixels.js", "decode.js", "network.js")
"""What the bundle's module is made of, each after those that it imports."""
PAGE = ("draw.js", "page.js")
"""What its page has besides."""
INLINE = ("inflate.js", *NETWORK, *PAGE)
"""Those of a page that has its network inside."""
VALUES = {
    "float16": "Uint16Array",
    "float32": "Float32Array",
    "int8": "Int8Array",
    "uint8": "Uint8Array",
    "int16": "Int16Array",
    "int32": "Int32Array",
    "int64": "BigInt64Array",
}
"""What JavaScript holds each type in; of float16 the bits."""
# What old browsers call unsafe is WebAssembly alone here.
_SERVED = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:"
)
_ALONE = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; media-src blob: mediastream:"
)

_HINT = (
    '<p class="hint faint">Nothing happens? This page wants a server: '
    "<code>python -m http.server</code> in its folder.</p>\n"
)


def web_files(artifact: Artifact) -> Files:
    """The folder: module, types, package.json, page, and what they load."""
    name = artifact.name
    values = _values(artifact)
    package = {
        "name": name.lower(),
        "version": artifact.manifest.edgemnv2,
        "description": values["SUBTITLE"],
        "license": "SEE LICENSE IN LICENSE",
        "type": "module",
        "main": "./index.js",
        "types": "./index.d.ts",
        "exports": {".": {"types": "./index.d.ts", "default": "./index.js"}},
        "sideEffects": False,
    }
    values["STYLE"] = '<link rel="stylesheet" href="page.css">'
    values["SCRIPT"] = '<script type="module" src="main.js"></script>'
    values["POLICY"] = _SERVED
    # Asked for before the script that wants them has come. In vain is the code where two threads or
    # no SIMD take another: a fiftieth of what is loaded, for a wait less everywhere else.
    values["AHEAD"] = (
        '<link rel="modulepreload" href="index.js">\n'
        f'<link rel="preload" as="fetch" crossorigin href="{name}.wasm">\n'
        f'<link rel="preload" as="fetch" crossorigin href="{name}.bin">\n'
    )
    values["HINT"] = _HINT
    values["MODULES"] = _joined(NETWORK, keep=("label",))
    values["PAGE"] = _joined(PAGE)
    values["KNOWN"] = _json({**web_facts(artifact), "twoPages": _pages_of_two(artifact)})
    files = {
        **{path.name: path.read_bytes() for path in artifact.files("lib")},
        "worker.js": _text("worker.js").encode(),
        "page.css": page_style().encode(),
        "package.json": (json.dumps(package, indent=2) + "\n").encode(),
        "LICENSE": read_template("LICENSE").encode(),
    }
    for template in ("index.html", "index.js", "index.d.ts", "main.js", "README.md"):
        files[template] = fill(_text(template), values).encode()
    return files


def page_file(artifact: Artifact) -> Files:
    """The page alone."""
    network = inline_network(artifact)
    script = f"{joined_modules()}\nwindow.edgemnv2 = openPage(document.body, {network});\n"
    values = {
        **_values(artifact),
        "STYLE": f"<style>\n{page_style()}</style>",
        "SCRIPT": f'<script type="module">\n{script}</script>',
        "POLICY": _ALONE,
        "AHEAD": "",
        "HINT": "",
    }
    return {"index.html": fill(_text("index.html"), values).encode()}


def page_style() -> str:
    """The style of the page; that of the panel, which a report has, too, at its end."""
    return _text("page.css") + panel_style()


def panel_style() -> str:
    """The style of the panel alone; wants the colours --accent and --faint."""
    return _text("panel.css")


def panel() -> str:
    """The elements that `openPage` of the modules binds to a network."""
    return _text("panel.html").rstrip()


def joined_modules() -> str:
    """All modules as one script: without imports and exports, in a page of any origin."""
    return _joined(INLINE)


def _joined(modules: Sequence[str], keep: Sequence[str] = ()) -> str:
    """`modules` as one text, without imports, and without exports but those of functions `keep`."""
    kept = "|".join(rf"function {name}\b" for name in keep)
    parts = []
    for module in modules:
        text = re.sub(r"^import [^;]*;\n", "", _text(module), flags=re.MULTILINE)
        unless = rf"(?!\{{{'|' + kept if kept else ''})"
        parts.append(re.sub(rf"^export {unless}", "", text, flags=re.MULTILINE))
    return "\n".join(parts)


def inline_network(artifact: Artifact) -> str:
    """An expression for the promise of the network, all its bytes inside; see `joined_modules`."""
    parts = {part: artifact.path / file for part, file in _parts(artifact).items()}
    # zlib's form has no date in it, so one artefact gives one page.
    texts = {
        part: b64encode(zlib.compress(path.read_bytes(), 9)).decode()
        for part, path in parts.items()
    }
    facts = _json(web_facts(artifact))
    return f"instantiate({facts}, (part) => inflated(bytesOf({_json(texts)}[part])))"


def web_facts(artifact: Artifact) -> dict[str, Any]:
    """What the page and the module know of the network."""
    manifest = artifact.manifest
    return {
        "name": artifact.name,
        "forms": [part for part in _parts(artifact) if part != "constants"],
        "inputs": [_tensor(tensor) for tensor in manifest.inputs],
        "outputs": [_tensor(tensor) for tensor in manifest.outputs],
        "task": manifest.task.to_dict(),
        "table": _stored_table(artifact),
        "constantsBytes": (artifact.path / _parts(artifact)["constants"]).stat().st_size,
    }


def _parts(artifact: Artifact) -> dict[str, str]:
    """The files that a page loads, by what they are."""
    name = artifact.name
    if not artifact.target.cpu.features:
        return {"plain": f"lib/{name}.wasm", "constants": f"lib/{name}.bin"}
    return {
        "simd": f"lib/{name}.wasm",
        "plain": f"lib/{name}_plain.wasm",
        "constants": f"lib/{name}.bin",
    }


def _pages_of_two(artifact: Artifact) -> int:
    """Pages of the memory that the module for two threads wants; 0 where there is none."""
    module = artifact.path / "lib" / f"{artifact.name}_two.wasm"
    return read_wasm(module).memory_pages if module.is_file() else 0


def _tensor(tensor: ArtifactTensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "nhwc": list(tensor.nhwc),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _stored_table(artifact: Artifact) -> list[list[float]] | None:
    """What each byte of each channel is stored as, one row where all channels agree.

    None for a network that takes no pictures.
    """
    if len(artifact.inputs) != 1:
        return None
    (tensor,) = artifact.inputs
    if tensor.nhwc[2] not in (1, 3):
        return None
    quant = None
    if tensor.scale is not None and tensor.zero_point is not None:
        quant = QuantParams(tensor.scale, tensor.zero_point)
    model = Tensor(tensor.name, *tensor.nhwc, tensor.dtype, quant)
    rows: list[list[float]] = stored_bytes(model, artifact.manifest.preprocess).tolist()
    return rows[:1] if all(row == rows[0] for row in rows) else rows


def _values(artifact: Artifact) -> dict[str, str]:
    manifest = artifact.manifest
    facts = _fact_rows(artifact)
    kind = manifest.task.kind
    tensors = {"INPUTS": manifest.inputs, "OUTPUTS": manifest.outputs}
    types = {
        key: "\n".join(
            f"  {json.dumps(x.name)}: {VALUES[x.dtype]}; // {' x '.join(map(str, x.nhwc))}"
            for x in ends
        )
        for key, ends in tensors.items()
    }
    call = ", ".join(f"{json.dumps(x.name)}: {VALUES[x.dtype]}" for x in manifest.inputs)
    plain = _parts(artifact)["plain"].removeprefix("lib/")
    return {
        "NAME": artifact.name,
        "PLAIN": plain,
        "TITLE": escape(manifest.model.name),
        "SUBTITLE": escape(
            ("A network" if kind == "unknown" else f"A {kind}") + f", for {manifest.target}"
        ),
        "VERSION": manifest.edgemnv2,
        "PANEL": panel(),
        "FACTS": "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts),
        "LIST": "\n".join(f"- {k}: {v}" for k, v in facts),
        "CALL": f"{{ {call} }}"[1:-1].strip(),
        **types,
    }


def _fact_rows(artifact: Artifact) -> list[tuple[str, str]]:
    manifest = artifact.manifest
    sizes = {p.name: p.stat().st_size for p in artifact.files("lib")}
    code = [
        _kib(size)
        + (" without SIMD" if "_plain." in name else "")
        + (" on two threads" if "_two." in name else "")
        for name, size in sizes.items()
        if name.endswith(".wasm")
    ]
    rows = [("Source", manifest.model.source)]
    rows += [
        (kind, f"{x.name}: {x.dtype}, {' x '.join(map(str, x.nhwc))}")
        for kind, ends in (("Input", manifest.inputs), ("Output", manifest.outputs))
        for x in ends
    ]
    if manifest.task.classes:
        rows.append(("Classes", str(manifest.task.classes)))
    return [
        *rows,
        ("Multiply-accumulates", f"{manifest.macs / 1e6:.1f} million"),
        ("Weights", _kib(manifest.constants_bytes)),
        ("Code", ", ".join(code)),
        ("Working memory", _kib(manifest.arena_bytes)),
        ("Model", f"sha256 {manifest.model.sha256[:12]}"),
    ]


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.1f} KiB"


def _json(content: Any) -> str:
    """JSON that nothing can break out of in a script."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


def _text(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")
