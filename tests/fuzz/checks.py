"""What must become of a damaged file: a clear error of ours, or a right result; nothing besides.

`check_file` goes through import and lowering; for what that accepts, `check_planned` plans it and
`check_compiled` compiles and runs it. All return the word for what happened and raise whatever is a
fault.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.artifact import _seal as seal_of
from edgemnv2.check.verify import SampleChoice, verify
from edgemnv2.errors import EdgeError, InputError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model, plan_network
from edgemnv2.records.log import TuneLog
from edgemnv2.report.document import report
from edgemnv2.runners import runner_for
from edgemnv2.samples.images import load_images
from edgemnv2.samples.inputs import load_npz
from edgemnv2.target import load_target
from edgemnv2.tuner.manage import check_log, log_summary
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.fuzz.mutate import damaged_bytes, damaged_json
from tests.fuzz.originals import LOG

__all__ = ["Fault", "Unclear", "check_compiled", "check_file", "check_planned", "clear"]

MODELS = ("onnx", "tflite", "h5", "keras")
MOST_MACS = 20_000_000
"""Of a network that is run: this is about right and wrong, and larger ones only take longer."""
MOST_RUN_BYTES = 1 << 26
"""Of its inputs and outputs."""


class Fault(Exception):  # noqa: N818 - named for what it is
    """What happened is neither a clear error nor a right result."""


class Unclear(Fault):
    """An error of ours that does not say in one line what it is about."""


def clear(error: EdgeError, *names: str) -> None:
    """Unclear unless the message names the file (one of `names`), and hides no cause of its own."""
    text = str(error)
    if not text.strip() or len(text) > 4000:
        raise Unclear(f"{type(error).__name__} of {len(text)} letters: {text[:200]}")
    if names and not any(name in text for name in names):
        raise Unclear(f"{type(error).__name__} names none of {names}: {text[:200]}")
    cause = error.__cause__
    if isinstance(cause, MemoryError):
        raise Unclear(f"met after memory was gone: {text[:200]}")


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def check_file(kind: str, blob: bytes, folder: Path, random: np.random.Generator) -> str:
    """ "refused" or "accepted"; Fault and any other exception are faults of ours."""
    return _CHECKS[kind](blob, folder, random)


def _network(suffix: str) -> Callable[[bytes, Path, np.random.Generator], str]:
    def check(blob: bytes, folder: Path, random: np.random.Generator) -> str:
        path = folder / f"damaged.{suffix}"
        path.write_bytes(blob)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lower(load_model(path))
        except EdgeError as error:
            clear(error, path.name)
            return "refused"
        return "accepted"

    return check


def check_planned(kind: str, folder: Path) -> str:
    """ "accepted" or "refused": kernels, row program and arena of the accepted network."""
    path = folder / f"damaged.{kind}"
    graph = lower(load_model(path))
    try:
        plan_network(graph, load_target(_target_of(graph, path.stat().st_size)))
    except EdgeError as error:
        clear(error, path.name, graph.name)
        return "refused"
    return "accepted"


def _target_of(graph: Graph, size: int) -> str:
    return "mps2-an386" if graph.is_integer and size % 3 == 0 else "host"


def check_compiled(kind: str, folder: Path) -> str:
    """ "compiled", "ran" or "refused": the accepted network, compiled and run against reference."""
    path, output = folder / f"damaged.{kind}", folder / "artifact"
    graph = lower(load_model(path))
    target = _target_of(graph, path.stat().st_size)
    before = _listing(folder)
    try:
        artifact = compile_model(path, target, output)
    except EdgeError as error:
        clear(error, path.name, "damaged")
        if _listing(folder) != before:
            raise Fault(f"left behind: {set(_listing(folder)) - set(before)}") from error
        return "refused"
    ends = [graph.tensors[x] for x in (*graph.inputs, *graph.outputs)]
    size = sum(int(np.prod(x.shape)) * np.dtype(x.dtype).itemsize for x in ends)
    macs = sum(layer.macs for layer in artifact.manifest.layers)
    if macs > MOST_MACS or size > MOST_RUN_BYTES:
        return "compiled"
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = verify(artifact, runner_for(artifact), SampleChoice(random=2))
        except InputError as error:
            clear(error, "layer")
            return "refused"
    if not found.passed:
        raise Fault(f"{target}: verify failed, {found.first_divergence}")
    return "ran"


@cache
def _good_graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-32-int8"))


def _toml(blob: bytes, folder: Path, random: np.random.Generator) -> str:
    path = folder / "board.toml"
    path.write_bytes(blob)
    try:
        target = load_target(path)
        plan_network(_good_graph(), target)
    except EdgeError as error:
        clear(error)
        return "refused"
    before = _listing(folder)
    try:
        compile_graph(_good_graph(), target, folder / "artifact")
    except EdgeError as error:
        clear(error)
        if _listing(folder) != before:
            raise Fault(f"left behind: {set(_listing(folder)) - set(before)}") from error
        return "refused"
    load_artifact(folder / "artifact")
    return "accepted"


def _log(blob: bytes, folder: Path, random: np.random.Generator) -> str:
    name, _, content = blob.partition(b"\n")
    log = folder / "log"
    shutil.copytree(LOG, log)
    (log / name.decode()).write_bytes(content)
    before = {p: p.read_bytes() for p in sorted(log.iterdir())}
    words = []
    target = load_target("mps2-an386")
    for use in (
        lambda: TuneLog.load(log).check_target(target),
        lambda: log_summary(log),
        lambda: check_log(log, False),
        lambda: plan_network(_good_graph(), target, CompileOptions(tune_logs=log)),
    ):
        try:
            use()
            words.append("accepted")
        except EdgeError as error:
            clear(error, "log")
            words.append("refused")
    if {p: p.read_bytes() for p in sorted(log.iterdir())} != before:
        raise Fault("reading a log has changed it")
    return "accepted" if "accepted" in words else "refused"


@cache
def _good_artifact(folder: Path) -> Artifact:
    path = folder / "good.tflite"
    path.write_bytes(TinyMobilenet().build())
    return compile_graph(lower(load_model(path)), load_target("host"), folder / "good")


def _artifact(blob: bytes, folder: Path, random: np.random.Generator) -> str:
    good = _good_artifact(folder.parent)
    copy, name = folder / "art", blob.decode().strip()
    shutil.copytree(good.path, copy)
    content = (copy / name).read_bytes()
    if name.endswith(".json") and random.random() < 0.6:
        changed = json.dumps(damaged_json(json.loads(content), random)).encode()
    else:
        changed = damaged_bytes(content, random)
    (copy / name).write_bytes(changed)
    if random.random() < 0.7:
        _sealed_again(copy)
    words = []
    for use in (
        lambda: verify(
            load_artifact(copy), runner_for(load_artifact(copy)), SampleChoice(random=1)
        ),
        lambda: report([copy], []),
    ):
        try:
            use()
            words.append("accepted")
        except EdgeError as error:
            clear(error)
            words.append("refused")
    return "accepted" if "accepted" in words else "refused"


def _sealed_again(artifact: Path) -> None:
    """As somebody would who edits an artefact and knows of the seal."""
    from hashlib import sha256

    path = artifact / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
        manifest["files"] = {
            name: sha256((artifact / name).read_bytes()).hexdigest() for name in manifest["files"]
        }
        manifest["seal"] = seal_of(manifest)
    except Exception:  # it is damaged, after all
        return
    path.write_text(json.dumps(manifest))


@cache
def _digits() -> Graph:
    return lower(load_model("digits"))


def _npz(blob: bytes, folder: Path, random: np.random.Generator) -> str:
    path = folder / "damaged.npz"
    path.write_bytes(blob)
    try:
        load_npz(path, _digits())
    except EdgeError as error:
        clear(error, path.name)
        return "refused"
    return "accepted"


def _image(blob: bytes, folder: Path, random: np.random.Generator) -> str:
    path = folder / "images" / "damaged.png"
    path.parent.mkdir()
    path.write_bytes(blob)
    graph = _good_graph() if len(blob) % 2 else _digits()
    tensor = graph.tensors[graph.inputs[0]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_images(path.parent, tensor, "raw" if len(blob) % 2 else "keras")
    except EdgeError as error:
        clear(error, path.name)
        return "refused"
    return "accepted"


_CHECKS: dict[str, Callable[[bytes, Path, np.random.Generator], str]] = {
    **{suffix: _network(suffix) for suffix in MODELS},
    "toml": _toml,
    "log": _log,
    "artifact": _artifact,
    "npz": _npz,
    "image": _image,
}
