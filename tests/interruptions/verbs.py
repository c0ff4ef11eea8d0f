"""The verbs that write, each in a folder of its own, and what must be true of it afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemnv2.artifact import load_artifact
from edgemnv2.errors import EdgeError
from edgemnv2.export.onnx_file import onnx_file
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.records.log import TuneLog
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet

__all__ = ["VERBS", "Verb", "build_shim", "make_sources", "snapshot"]

Bytes = dict[str, bytes]


@dataclass(frozen=True)
class Verb:
    """`words` of the command, with SOURCES and FOLDER in them; `whole(folder)` says why what lies
    at the output is not whole ("" where it is, or where nothing is)."""

    words: tuple[str, ...]
    whole: Callable[[Path], str]


def snapshot(folder: Path) -> Bytes:
    """All files below, but for hidden ones: those are drafts."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def make_sources(folder: Path) -> None:
    """What the verbs read: networks, inputs, an artefact, a log that has records already."""
    (folder / "net.tflite").write_bytes(TinyMobilenet().build())
    (folder / "float.tflite").write_bytes(TinyMobilenet(dtype="float32").build())
    graph = lower(load_model(folder / "float.tflite"))
    (folder / "float.onnx").write_bytes(onnx_file(graph))
    shape = (6, *graph.input_specs[0].shape[1:])
    inputs = {graph.input_specs[0].name: np.random.default_rng(0).random(shape, np.float32)}
    np.savez(folder / "inputs.npz", **inputs)
    compile_model(folder / "net.tflite", "mps2-an386", folder / "artifact")


def _artifact(folder: Path) -> str:
    try:
        if (folder / "out").exists():
            load_artifact(folder / "out")
    except EdgeError as error:
        return str(error)
    return ""


def _network(folder: Path) -> str:
    try:
        if (folder / "out.onnx").exists():
            lower(load_model(folder / "out.onnx"))
    except EdgeError as error:
        return str(error)
    return ""


def _page(folder: Path) -> str:
    path = folder / "out.html"
    text = path.read_text() if path.exists() else "</html>"
    return "" if text.rstrip().endswith("</html>") else f"{len(text)} letters of a page"


def _bundle(folder: Path) -> str:
    path = folder / "out"
    return "" if not path.exists() or (path / "CMakeLists.txt").exists() else "half a bundle"


def _log(folder: Path) -> str:
    """A log that has nothing yet may lack everything but its header."""
    path = folder / "log"
    try:
        if (path / "database_tuning_record.json").exists():
            TuneLog.load(path)
    except EdgeError as error:
        return str(error)
    return ""


def _words(command: str) -> tuple[str, ...]:
    return tuple(command.split())


VERBS = {
    "compile": Verb(
        _words("compile SOURCES/net.tflite --target mps2-an386 -o FOLDER/out"), _artifact
    ),
    "replace": Verb(
        _words("compile SOURCES/net.tflite --target mps2-an386 --force -o FOLDER/out"),
        _artifact,
    ),
    "quantize": Verb(
        _words("quantize SOURCES/float.tflite --inputs SOURCES/inputs.npz -o FOLDER/out.onnx"),
        _network,
    ),
    "bundle": Verb(_words("bundle SOURCES/artifact --format cmake -o FOLDER/out"), _bundle),
    "report": Verb(_words("report SOURCES/artifact -o FOLDER/out.html"), _page),
    "tune": Verb(
        _words("tune SOURCES/net.tflite --target host --trials 2 --log-dir FOLDER/log"),
        _log,
    ),
}


def build_shim(folder: Path) -> Path:
    """The library that makes files go wrong."""
    output = folder / "file_faults.so"
    source = Path(__file__).with_name("file_faults.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", str(source)]
    subprocess.run([*command, "-o", str(output), "-ldl"], check=True)
    return output
