"""Compiles a fixed list of networks for a fixed list of targets and hashes every file.

    python -m tests.safeguards.hashes                 print the hashes
    python -m tests.safeguards.hashes --check         compare them with hashes.json
    python -m tests.safeguards.hashes --write         make hashes.json anew

`--only NETWORK` and `--target TARGET` (each as often as wanted) take a part of the list, `--keep
DIR` keeps the artefacts, to compare them with those of another commit.

Run after every change that may not change what is compiled. Nothing of the package is imported: the
command line is run, which stays where it is when modules move. Libraries and programs depend on the
compilers of the machine; where these are others than the stored ones they are not compared, which
is said.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED_MODELS = REPOSITORY.parent / "shared" / "data" / "models"
STORED = Path(__file__).with_name("hashes.json")
COMMAND = (sys.executable, "-m", "edgemnv2.cli.main", "compile")
JOBS_AT_A_TIME = 2

LINUX = ("x86-64-v3", "rpi4", "rpi3-32")
BARE_METAL = ("mps2-an500", "mps3-an547", "cortex-m0plus")
NETWORKS = {
    # Float on Linux; on bare metal what the command takes instead of it.
    "digits": (*LINUX, *BARE_METAL),
    "digits-int8": (*LINUX, *BARE_METAL),
    "mobilenetv2-0.35-96-int8": (*LINUX, *BARE_METAL),
    "mobilenetv2-1.0-224-int8": (*LINUX, *BARE_METAL),
    "mobilenet_v2_torchvision.onnx": LINUX,
    "tf2_mobilenet_v2_1.0_224_ptq.tflite": (*LINUX, *BARE_METAL),
    "fomo_face_detection.tflite": (*LINUX, *BARE_METAL),
}
"""Targets by network: a built-in name, or a file of ../shared/data/models."""

MANIFEST_MAY_CHANGE = (
    "edgemnv2",  # the package's version
    "provenance",  # names versions, among them the C compiler's
    "files",  # hashes of the files beside it, each of which is compared itself
    "seal",  # a hash of the manifest, with all that may change
    "tuning_notes",  # texts about records that could not be used
)
"""Top-level keys of manifest.json that are not hashed.

In `network_records` and in the `schedule` of `kernels` it may change which tuning record decided,
but not whether one did: identifiers become "tuned"."""
UNTUNED = ("default", "fallback")

SIZES = ("arena_bytes", "stream_arena_bytes", "constants_bytes", "code_bytes")
COMPILED_SIZES = ("code_bytes",)

GCC = {
    "x86-64-v3": ("x86_64-linux-gnu-gcc", "gcc"),
    "rpi4": ("aarch64-linux-gnu-gcc",),
    "rpi3-32": ("arm-linux-gnueabihf-gcc",),
    **dict.fromkeys(BARE_METAL, ("arm-none-eabi-gcc",)),
}
"""Compilers by target, the first that is installed is used; without one, zig is."""

Record = dict[str, Any]
"""Of an artefact: {"files": hashes by path, "sizes": bytes by key} or {"refused": why}."""
Row = tuple[str, str, str, str, str]
"""A difference: network, target, what, as stored, now."""


@dataclass(frozen=True)
class Job:
    """One network for one target."""

    network: str
    target: str

    def source(self) -> str:
        """What the command line takes."""
        is_file = Path(self.network).suffix in (".onnx", ".tflite")
        return str(SHARED_MODELS / self.network) if is_file else self.network

    def missing(self) -> bool:
        """Whether the network is a file that this machine does not have."""
        return self.source() != self.network and not Path(self.source()).is_file()


def jobs(networks: Iterable[str] = (), targets: Iterable[str] = ()) -> list[Job]:
    """The list, or the part with these networks and targets."""
    networks, targets = tuple(networks), tuple(targets)
    return [
        Job(network, target)
        for network, own in NETWORKS.items()
        for target in own
        if (not networks or network in networks) and (not targets or target in targets)
    ]


def compile_job(job: Job, output: Path) -> Record:
    """The record of `job`, whose artefact goes to `output`.

    Raises RuntimeError with the command's last words when it neither compiles nor refuses.
    """
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [*COMMAND, job.source(), "--target", job.target, "-o", str(output)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        return artefact_record(output)
    said = [line for line in done.stderr.splitlines() if line.startswith("edgemnv2 compile: ")]
    if done.returncode == 1 and said and "Traceback" not in done.stderr:
        return {"refused": said[0].removeprefix("edgemnv2 compile: ")}
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise RuntimeError(f"{job.network} for {job.target}: exit code {done.returncode}: {last}")


def artefact_record(folder: Path) -> Record:
    """Hashes of all files of an artefact, by relative path, and its sizes."""
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        data = lasting_manifest(manifest) if name == "manifest.json" else path.read_bytes()
        files[name] = hashlib.sha256(data).hexdigest()
    return {"files": files, "sizes": {key: manifest[key] for key in SIZES}}


def lasting_manifest(manifest: dict[str, Any]) -> bytes:
    """Canonical JSON of what may not change in a manifest."""
    kept = {key: value for key, value in manifest.items() if key not in MANIFEST_MAY_CHANGE}
    # Machine code is not compared where the compilers differ, so its size has a place of its own.
    for key in COMPILED_SIZES:
        kept.pop(key, None)
    kept["network_records"] = sorted(kept["network_records"])
    kept["kernels"] = [
        {
            **kernel,
            "schedule": kernel["schedule"] if kernel["schedule"] in UNTUNED else "tuned",
        }
        for kernel in kept["kernels"]
    ]
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def toolchain(target: str) -> dict[str, str]:
    """What the machine code for `target` depends on."""
    found = {"apache-tvm": _distribution("apache-tvm")}
    if target in LINUX:
        found["llvm"] = _llvm()
    compiler = next(filter(None, map(shutil.which, GCC[target])), None)
    if compiler is None:
        return {**found, "ziglang": _distribution("ziglang")}
    found["gcc"] = _first_line(compiler, "--version")
    linker = _first_line(compiler, "-print-prog-name=ld")
    found["ld"] = _first_line(linker, "--version")
    if target in LINUX:
        # The bench program is linked statically.
        for library in ("libc.a", "libgcc.a"):
            path = Path(_first_line(compiler, f"-print-file-name={library}"))
            found[library] = _digest(path) if path.is_file() else "missing"
    if target == "x86-64-v3":
        found["machine"] = platform.machine()
    return found


def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


@cache
def _llvm() -> str:
    code = "import tvm; print(tvm.get_global_func('target.llvm_version_major')())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:  # a compiler that does not work, found first, names no linker
        return "unknown"
    # The program's name, which differs from system to system, says nothing.
    return re.sub(r"^\S+ \((.*)\) ", r"\1 ", (done.stdout.splitlines() or ["unknown"])[0])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_machine_code(path: str) -> bool:
    """Whether a file of an artefact is a library or a program."""
    return path == "bench" or path.startswith("lib/")


def differences(job: Job, stored: Record | None, now: Record, same_tools: bool) -> list[Row]:
    """One row for each file and size of `job` that is not as stored.

    `same_tools`: whether machine code and its size are compared, too.
    """
    rows = []
    for place in ("refused", "sizes", "files"):
        old, new = (_entries(record, place) for record in (stored or {}, now))
        for key in sorted({*old, *new}):
            compiled = is_machine_code(key) or key in COMPILED_SIZES
            # That there is such a file or size does not depend on the tools.
            if compiled and not same_tools and key in old and key in new:
                continue
            if old.get(key) != new.get(key):
                rows.append((job.network, job.target, key, *(_short(x, key) for x in (old, new))))
    return rows


def _entries(record: Record, place: str) -> dict[str, Any]:
    found = record.get(place, {})
    return found if isinstance(found, dict) else {place: found}


def _short(entries: dict[str, Any], key: str) -> str:
    value = entries.get(key)
    if value is None:
        return "-"
    text = str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text


def table(rows: Sequence[Row]) -> str:
    """The rows below a header, in columns."""
    everything: list[Row] = [("network", "target", "what", "stored", "now"), *rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in everything
    )


def compile_all(wanted: Sequence[Job], folder: Path) -> dict[Job, Record]:
    """Records by job, in the list's order; the artefacts stay in `folder`."""
    with ThreadPoolExecutor(JOBS_AT_A_TIME) as pool:
        outputs = [folder / f"{job.network}-{job.target}" for job in wanted]
        return dict(zip(wanted, pool.map(compile_job, wanted, outputs), strict=True))


def load(path: Path = STORED) -> dict[str, Any]:
    """The stored hashes; empty where there are none yet."""
    return json.loads(path.read_text()) if path.is_file() else {"toolchains": {}, "artefacts": {}}


def write(records: dict[Job, Record], path: Path = STORED) -> None:
    """Put records in the place of stored ones; others stay."""
    stored = load(path)
    for job, record in records.items():
        stored["artefacts"].setdefault(job.network, {})[job.target] = record
        stored["toolchains"][job.target] = toolchain(job.target)
    path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


def check(records: dict[Job, Record], path: Path = STORED) -> list[Row]:
    """All differences from the stored hashes; says which tools are others."""
    stored = load(path)
    same_tools = {}
    for target in sorted({job.target for job in records}):
        old, new = stored["toolchains"].get(target), toolchain(target)
        same_tools[target] = old == new
        if old is not None and old != new:
            names = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
            said = "; ".join(f"{key} {old.get(key, '-')} -> {new.get(key, '-')}" for key in names)
            print(f"{target}: machine code and its size are not compared, other tools: {said}")
    return [
        row
        for job, now in records.items()
        for row in differences(
            job,
            stored["artefacts"].get(job.network, {}).get(job.target),
            now,
            same_tools[job.target],
        )
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 where something differs or nothing was compared."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.safeguards.hashes", description=__doc__.split("\n", 1)[0]
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with hashes.json")
    action.add_argument("--write", action="store_true", help="make hashes.json anew")
    parser.add_argument("--only", action="append", default=[], choices=NETWORKS, metavar="NETWORK")
    parser.add_argument("--target", action="append", default=[], choices=GCC, metavar="TARGET")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the artefacts in DIR")
    args = parser.parse_args(arguments)

    started = time.monotonic()
    wanted = jobs(args.only, args.target)
    for network in dict.fromkeys(job.network for job in wanted if job.missing()):
        print(f"skipped: {network} is not in {SHARED_MODELS}")
    wanted = [job for job in wanted if not job.missing()]
    if not wanted:
        print("nothing to compile")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        records = compile_all(wanted, folder)
    if args.write:
        write(records)
    elif args.check:
        rows = check(records)
        if rows:
            print(table(rows))
            return 1
    else:
        for job, record in records.items():
            for path, digest in record.get("files", {}).items():
                print(f"{digest}  {job.network}/{job.target}/{path}")
            if "refused" in record:
                print(f"refused  {job.network}/{job.target}: {record['refused']}")
    seconds = time.monotonic() - started
    verb = "written" if args.write else "as stored" if args.check else "hashed"
    files = sum(len(record.get("files", ())) for record in records.values())
    refused = sum("refused" in record for record in records.values())
    print(
        f"{verb}: {len(records)} artefacts, {files} files, {refused} refusals, {seconds:.0f} s",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
