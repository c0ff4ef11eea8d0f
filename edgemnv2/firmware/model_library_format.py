"""An artefact in the layout of TVM's Model Library Format, for build systems made for microTVM.

One tar: `metadata.json` (version 7), `codegen/host/{src,include,lib}` and `src/`. Constants are
linked into the code, so `parameters/` is absent; the interface is the artefact's own header, not
`tvmgen_*.h`. Source: TVM 0.9, "Model Library Format".
"""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.errors import ArtifactError
from edgemnv2.firmware.archive import make_tar

__all__ = ["check_output", "write_model_library"]

VERSION = 7
CPU = 1
"""TVM's device type kDLCPU."""
DATE = "1980-01-01 00:00:00Z"
"""Not today: two exports of one artefact are equal."""
FOLDERS = {"src": "codegen/host/src", "include": "codegen/host/include", "lib": "codegen/host/lib"}


def check_output(output: Path, force: bool) -> None:
    """Raise ArtifactError if `output` cannot become the archive; before any work is done."""
    if output.is_dir():
        raise ArtifactError(
            f"{output}: is a folder (name the archive with output=, as in output=net.tar)"
        )
    if output.exists() and not force:
        raise ArtifactError(f"{output}: is there already (use force=True to replace it)")
    if output.exists() and not _is_library(output):
        raise ArtifactError(
            f"{output}: is there already and no archive of compile's (choose another with output=)"
        )


def _is_library(path: Path) -> bool:
    """Whether a file is an archive such as `write_model_library` makes."""
    try:
        with tarfile.open(path) as archive:
            return any(PurePosixPath(name).name == "metadata.json" for name in archive.getnames())
    except (OSError, tarfile.TarError):
        return False


def write_model_library(artifact: Artifact, output: Path, force: bool = False) -> None:
    """Write the archive of `artifact` to `output`, all of it or nothing.

    Raises ArtifactError when `output` is a folder, is there without `force`, or cannot be written.
    """
    check_output(output, force)
    files = {"metadata.json": _json(_metadata(artifact))}
    for name in artifact.manifest.files:
        folder, _, rest = name.partition("/")
        if folder in FOLDERS:
            files[f"{FOLDERS[folder]}/{rest}"] = (artifact.path / name).read_bytes()
    for name in ("reference/graph.json", "manifest.json", "memory_plan.json"):
        files[f"src/{Path(name).name}"] = (artifact.path / name).read_bytes()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(make_tar(files, "."))
            temporary.chmod(0o644)  # mkstemp makes it private
            temporary.replace(output)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(
            f"{output}: cannot be written ({error.strerror}), choose another with output="
        ) from error


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _metadata(artifact: Artifact) -> dict[str, Any]:
    manifest, name = artifact.manifest, artifact.name
    toolchain = artifact.target.toolchain
    inputs = {t.name: _tensor(t.dtype, t.nhwc) for t in artifact.inputs}
    outputs = {t.name: _tensor(t.dtype, t.nhwc) for t in artifact.outputs}
    main = {
        "device": CPU,
        "workspace_size_bytes": artifact.arena_bytes,
        "constants_size_bytes": manifest.constants_bytes,
        "io_size_bytes": sum(t["size"] for t in (*inputs.values(), *outputs.values())),
        "inputs": inputs,
        "outputs": outputs,
    }
    operators = {
        kernel.symbol: {
            "function_name": kernel.symbol,
            "workspace": [{"device": CPU, "workspace_size_bytes": kernel.scratch_bytes}],
        }
        for kernel in manifest.kernels
    }
    module = {
        "model_name": name,
        "export_datetime": DATE,
        "memory": {
            "functions": {
                "main": [main],
                "operator_functions": [operators[symbol] for symbol in sorted(operators)],
            }
        },
        "target": [f"c -mcpu={toolchain.mcpu} -mtriple={toolchain.triple}"],
        "executors": ["aot"],
        "style": "full-model",
    }
    return {"version": VERSION, "modules": {name: module}}


def _tensor(dtype: str, nhwc: tuple[int, int, int]) -> dict[str, Any]:
    import numpy as np

    height, width, channels = nhwc
    return {"dtype": dtype, "size": height * width * channels * np.dtype(dtype).itemsize}
