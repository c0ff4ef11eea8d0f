"""The Linux bundle: unpacked, it runs with Debian's C library, with Python or without."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.firmware.bundle import bundle
from tests.firmware.archives import unpack_tar
from tests.firmware.firmware_harness import MODEL, NAME, compiled, fact, run, verdict

Need = Callable[[str], str]
# Target: emulator with the device's core, Debian's cross compiler, where its C library lies.
DEVICES = {
    "rpi4": ("qemu-aarch64 -cpu cortex-a72", "aarch64-linux-gnu"),
    "rpi3-32": ("qemu-arm -cpu cortex-a7", "arm-linux-gnueabihf"),
}
PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
#include "NAME.h"
int main(int count, char **words) {
    static _Alignas(64) unsigned char arena[UPPER_ARENA_BYTES], in[UPPER_INPUT_BYTES];
    static unsigned char out[UPPER_OUTPUT_BYTES];
    const struct NAME_inputs inputs = {(const void *)in};
    const struct NAME_outputs outputs = {(void *)out};
    FILE *file = fopen(words[1], "rb");
    if (count != 2 || !file || fread(in, 1, sizeof in, file) != sizeof in) return 2;
    if (NAME_run(&inputs, &outputs, arena)) return 3;
    return fwrite(out, 1, sizeof out, stdout) != sizeof out;
}
"""


def unpack(artifact: Artifact, folder: Path) -> Path:
    bundle(artifact, "linux", folder / "bundle")
    (archive,) = (folder / "bundle").glob("*.tar")
    unpack_tar(archive, folder / "pi")
    (inside,) = (folder / "pi").iterdir()
    assert archive.stem == inside.name
    return inside


def check_device(artifact: Artifact, folder: Path) -> None:
    emulator, triple = DEVICES[artifact.target.name]
    inside, name = unpack(artifact, folder), artifact.name
    said = run(["./selftest.sh"], inside, RUN=emulator)
    assert verdict(said) == "PASS"
    assert fact(said, "arena_bytes") == artifact.arena_bytes
    # A program of the user's own, with the shared library and nothing but the C library.
    text = PROGRAM.replace("NAME", name).replace("UPPER", name.upper())
    (folder / "own.c").write_text(text)
    command = [f"{triple}-gcc", "-std=c11", f"-I{inside / 'include'}", folder / "own.c"]
    command += ["-o", folder / "own", f"-L{inside / 'lib'}", f"-l{name}", "-lm", "-pthread"]
    run(command, folder)
    needed = run([f"{triple}-readelf", "-d", inside / f"lib/lib{name}.so"], folder)
    assert "(NEEDED)" not in needed
    command = [*emulator.split(), "-L", f"/usr/{triple}", "-E", f"LD_LIBRARY_PATH={inside / 'lib'}"]
    command += [str(folder / "own"), str(inside / "selftest/input.bin")]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (inside / "selftest/output.bin").read_bytes()


def need_device(target: str, require_tool: Need) -> None:
    emulator, triple = DEVICES[target]
    for name in (emulator.split()[0], f"{triple}-gcc"):
        require_tool(name)


def test_it_runs_on_an_emulated_raspberry_pi(
    rpi4: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    need_device("rpi4", require_tool)
    check_device(rpi4, tmp_path)


@pytest.mark.slow
def test_it_runs_on_a_32_bit_raspberry_pi(tmp_path: Path, require_tool: Need) -> None:
    need_device("rpi3-32", require_tool)
    check_device(compiled(MODEL, "rpi3-32", tmp_path / "artifact"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", DEVICES)
def test_fomo_runs_on_a_raspberry_pi(
    target: str, fomo: Path, tmp_path: Path, require_tool: Need
) -> None:
    need_device(target, require_tool)
    check_device(compiled(fomo, target, tmp_path / "artifact"), tmp_path)


def test_wrong_output_is_told_by_index(rpi4: Artifact, tmp_path: Path, require_tool: Need) -> None:
    require_tool("qemu-aarch64")
    inside = unpack(rpi4, tmp_path)
    file = inside / "selftest/output.bin"
    expected = np.frombuffer(file.read_bytes(), np.int8).copy()
    expected[17] = ~expected[17]
    file.write_bytes(expected.tobytes())
    said = run(["sh", "-c", "./selftest.sh || true"], inside, RUN="qemu-aarch64")
    want, got = expected[17], ~expected[17]
    message = f"FAIL, first at index 17: expected {want}, got {got} (1 of 1000 differ)"
    assert verdict(said) == message
    file.write_bytes(expected.tobytes()[:999])
    said = run(["sh", "-c", "./selftest.sh || true"], inside, RUN="qemu-aarch64")
    assert verdict(said).startswith("FAIL")
    (inside / "bench").write_text("#!/bin/sh\nexit 1\n")
    said = run(["sh", "-c", "./selftest.sh && echo GOOD || true"], inside)
    assert verdict(said) == "FAIL, bench did not run" and "GOOD" not in said


def test_floats_are_compared_within_the_tolerance_and_python_runs_it(tmp_path: Path) -> None:
    artifact = compiled("mobilenetv2-0.35-96", "host", tmp_path / "artifact")
    inside = unpack(artifact, tmp_path)
    assert verdict(run(["./selftest.sh"], inside)) == "PASS"
    file = inside / "selftest/output.bin"
    expected = np.frombuffer(file.read_bytes(), "<f4").copy()
    sample = np.frombuffer((inside / "selftest/input.bin").read_bytes(), "<f4")
    np.save(tmp_path / "x.npy", sample.reshape(1, 96, 96, 3))
    said = run([sys.executable, inside / "run.py", tmp_path / "x.npy", "--top", "1"], tmp_path)
    assert int(said.split()[1]) == int(expected.argmax())
    for wrong in (expected[3] + 0.01, np.float32("nan")):
        changed = expected.copy()
        changed[3] = wrong
        file.write_bytes(changed.tobytes())
        said = verdict(run(["sh", "-c", "./selftest.sh || true"], inside))
        assert said.startswith("FAIL, first at index 3: expected ")


def test_the_tar_has_no_date_owner_or_order_of_its_own(rpi4: Artifact, tmp_path: Path) -> None:
    bundle(rpi4, "linux", tmp_path / "a")
    (archive,) = (tmp_path / "a").glob("*.tar")
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    names = [m.name for m in members]
    assert names == sorted(names)
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert len({m.mtime for m in members}) == 1
    folder = f"{NAME}-rpi4"
    assert [m.name for m in members if m.mode == 0o755] == [
        f"{folder}/bench",
        f"{folder}/run.py",
        f"{folder}/selftest.sh",
    ]
