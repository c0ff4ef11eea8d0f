"""The C that an artefact consists of: compilers, exports, status codes, byte-identical builds."""

from __future__ import annotations

import ctypes
import filecmp
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.interface import c_identifier
from edgemnv2.frontend import load_model
from edgemnv2.ops import execute
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.target import load_target
from tests.conftest import missing
from tests.usual import usual

MODEL = "mobilenetv2-0.35-32-int8"
BARE_METAL = ("cortex-m0plus", "mps2-an386", "mps3-an547")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-c", "-o", "/dev/null"]
NULL, ALIGNMENT, ARENA_SIZE, ROWS, TOO_MANY_ROWS = -1, -2, -3, -4, -5


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model(MODEL))


@pytest.fixture(scope="module")
def host(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("host") / "art"
    return compile_graph(graph, load_target("host"), folder, CompileOptions(name="net"))


@pytest.fixture(scope="module")
def sources(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artefacts of C source by target."""
    folder = tmp_path_factory.mktemp("sources")
    for name in BARE_METAL:
        compile_graph(graph, load_target(name), folder / name, CompileOptions(name="net"))
    return {name: folder / name for name in BARE_METAL}


def _compile_all(command: list[str], artefact: Path, extra: list[str]) -> None:
    for source in sorted((artefact / "src").glob("*.c")):
        full = [*command, *STRICT, *extra, f"-I{artefact / 'include'}", str(source)]
        # zig leaves its object in the working folder, whatever -o says.
        done = subprocess.run(full, capture_output=True, text=True, cwd=artefact)
        assert done.returncode == 0, f"{' '.join(full)}\n{done.stderr[-2000:]}"


def _gcc_flags(target_name: str) -> list[str]:
    core = load_target(target_name).cpu.core
    abi = "hard" if core == "cortex-m55" else "soft"
    return [f"-mcpu={core}", "-mthumb", f"-mfloat-abi={abi}", "-O2"]


@pytest.mark.parametrize("target", usual(BARE_METAL, ["mps3-an547"]))
def test_source_has_no_warning_under_arm_gcc(
    sources: dict[str, Path], target: str, require_tool: Callable[[str], str]
) -> None:
    _compile_all([require_tool("arm-none-eabi-gcc")], sources[target], _gcc_flags(target))


@pytest.mark.parametrize("target", usual(BARE_METAL, ["mps3-an547"]))
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_source_has_no_warning_under_the_hosts_compilers(
    sources: dict[str, Path], target: str, compiler: str, require_tool: Callable[[str], str]
) -> None:
    _compile_all([require_tool(compiler)], sources[target], ["-O1"])


@pytest.mark.parametrize(
    ("target", "triple", "flags"),
    [
        ("cortex-m0plus", "thumbv6m-none-eabi", ["-mcpu=cortex-m0plus"]),
        ("mps2-an386", "thumbv7em-none-eabi", ["-mcpu=cortex-m4"]),
        ("mps3-an547", "thumbv8.1m.main-none-eabi", ["-mcpu=cortex-m55", "-mfloat-abi=hard"]),
    ],
)
def test_source_has_no_warning_under_clang_for_arm(
    sources: dict[str, Path],
    target: str,
    triple: str,
    flags: list[str],
    require_tool: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> None:
    """`string.h` is the only libc header besides the compiler's own; newlib's serves."""
    clang = require_tool("clang")
    arm_gcc = require_tool("arm-none-eabi-gcc")
    root = subprocess.run([arm_gcc, "-print-sysroot"], capture_output=True, text=True, check=True)
    found = [Path(root.stdout.strip() or "/nowhere") / "include", Path("/usr/include/newlib")]
    newlib = next((path for path in found if (path / "string.h").is_file()), None)
    if newlib is None:
        missing(request.config, "newlib's string.h")
    extra = [f"--target={triple}", *flags, "-O1", "-isystem", str(newlib)]
    _compile_all([clang], sources[target], extra)


@pytest.mark.parametrize("target", usual(BARE_METAL, ["mps3-an547"]))
def test_source_has_no_warning_under_zig(
    sources: dict[str, Path], target: str, require_module: Callable[[str], None]
) -> None:
    require_module("ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu"]
    _compile_all(command, sources[target], ["-O1"])


def test_header_is_cpp_too(host: Artifact, require_tool: Callable[[str], str]) -> None:
    header = host.path / "include" / "net.h"
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    for compiler, language in (("g++", "c++"), ("gcc", "c")):
        command = [require_tool(compiler), *strict, "-x", language, str(header)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_library_exports_the_interface_and_needs_little(
    host: Artifact, require_tool: Callable[[str], str]
) -> None:
    nm = require_tool("nm")
    library = str(host.path / "lib" / "libnet.so")
    defined = subprocess.run(
        [nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    # What the header declares: at the start of a line, behind the type of what is returned.
    header = (host.path / "include" / "net.h").read_text()
    declared = re.findall(r"^\w[\w ]*[ *](net_\w+)(?:\(|\[\])", header, re.MULTILINE)
    assert {"net_run", "net_run_rows", "net_pool_start"} < set(declared)
    assert sorted(line.split()[-1] for line in defined.splitlines()) == sorted(declared)
    everything = subprocess.run([nm, "-D", library], capture_output=True, text=True, check=True)
    undefined = {
        line.split()[-1].split("@")[0]
        for line in everything.stdout.splitlines()
        if line.split()[-2] in ("U", "w")
    }
    known = {"memcpy", "memset", "memmove", "syscall", "__cxa_finalize"}
    assert {name for name in undefined if not name.startswith("pthread_")} <= known
    all_symbols = subprocess.run([nm, library], capture_output=True, text=True).stdout
    assert "TVM" not in all_symbols
    assert "malloc" not in all_symbols


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("target", ["host", "mps2-an386"])
def test_two_compiles_are_byte_identical(graph: Graph, target: str, tmp_path: Path) -> None:
    for name in ("one", "another"):
        compile_graph(graph, load_target(target), tmp_path / name, CompileOptions(name="net"))
    names = sorted(
        str(p.relative_to(tmp_path / "one")) for p in (tmp_path / "one").rglob("*") if p.is_file()
    )
    assert len(names) > 5
    equal, different, missing = filecmp.cmpfiles(
        tmp_path / "one", tmp_path / "another", names, shallow=False
    )
    assert (sorted(equal), different, missing) == (names, [], [])


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("mobilenetv2-0.35-96", "mobilenetv2_0_35_96"),
        ("7up", "net_7up"),
        ("--", "net_"),
        ("modèle-2", "mod_le_2"),
    ],
)
def test_names_become_c_identifiers(name: str, identifier: str) -> None:
    assert c_identifier(name) == identifier


# -- status codes ------------------------------------------------------------------------------


class _Pointer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p)]


NEXT_ROW = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)


class _Net:
    """The library with buffers of the right size and alignment."""

    def __init__(self, artefact: Artifact, graph: Graph) -> None:
        self.library = ctypes.CDLL(str(artefact.path / "lib" / "libnet.so"))
        source, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        self.image = np.random.default_rng(0).integers(-128, 128, source.shape).astype(np.int8)
        self.result = np.zeros(out.shape, out.dtype)
        self.align = int(artefact.manifest.arena_align_bytes)
        self.arena_bytes = artefact.arena_bytes
        stream = int(artefact.manifest.stream_arena_bytes)
        self.memory = np.zeros(max(self.arena_bytes, stream) + 2 * self.align, np.uint8)
        self.arena = -(-self.memory.ctypes.data // self.align) * self.align

    def inputs(self, address: int | None = -1) -> Any:
        return ctypes.byref(_Pointer(self.image.ctypes.data if address == -1 else address))

    def outputs(self, address: int | None = -1) -> Any:
        return ctypes.byref(_Pointer(self.result.ctypes.data if address == -1 else address))

    def run(self, inputs: Any, outputs: Any, arena: int | None) -> int:
        return int(self.library.net_run(inputs, outputs, ctypes.c_void_p(arena)))

    def run_rows(self, rows: int, outputs: Any, arena: int | None, callback: bool = True) -> int:
        def give(context: Any, row: int, destination: int | None) -> int:
            if row >= rows:
                return 1
            if destination is not None:
                data = self.image[row % len(self.image)]
                ctypes.memmove(destination, data.ctypes.data, data.nbytes)
            return 0

        function = NEXT_ROW(give) if callback else None
        return int(self.library.net_run_rows(function, None, outputs, ctypes.c_void_p(arena)))


@pytest.fixture
def net(host: Artifact, graph: Graph) -> _Net:
    return _Net(host, graph)


def test_run_refuses_null_anywhere(net: _Net) -> None:
    assert net.run(None, net.outputs(), net.arena) == NULL
    assert net.run(net.inputs(), None, net.arena) == NULL
    assert net.run(net.inputs(), net.outputs(), None) == NULL
    assert net.run(net.inputs(None), net.outputs(), net.arena) == NULL
    assert net.run(net.inputs(), net.outputs(None), net.arena) == NULL
    assert not net.memory.any()


def test_run_refuses_a_misaligned_arena(net: _Net) -> None:
    for by in (1, 4, net.align // 2):
        assert net.run(net.inputs(), net.outputs(), net.arena + by) == ALIGNMENT
        assert net.run_rows(32, net.outputs(), net.arena + by) == ALIGNMENT
    assert not net.memory.any()


def test_run_sized_refuses_an_arena_that_is_too_small(net: _Net) -> None:
    def sized(size_bytes: int) -> int:
        arena = ctypes.c_void_p(net.arena)
        return int(net.library.net_run_sized(net.inputs(), net.outputs(), arena, size_bytes))

    assert sized(net.arena_bytes - 1) == ARENA_SIZE
    assert sized(0) == ARENA_SIZE
    assert not net.result.any()
    assert sized(net.arena_bytes) == 0


def test_fed_rows_refuse_null(net: _Net) -> None:
    assert net.run_rows(32, net.outputs(), net.arena, callback=False) == NULL
    assert net.run_rows(32, None, net.arena) == NULL
    assert net.run_rows(32, net.outputs(None), net.arena) == NULL
    assert net.run_rows(32, net.outputs(), None) == NULL


def test_fed_rows_must_be_as_many_as_the_image_has(net: _Net) -> None:
    height = len(net.image)
    for rows in (0, 1, height - 1):
        assert net.run_rows(rows, net.outputs(), net.arena) == ROWS
    for rows in (height + 1, height + 9):
        assert net.run_rows(rows, net.outputs(), net.arena) == TOO_MANY_ROWS
    assert net.run_rows(height, net.outputs(), net.arena) == 0


def test_whole_image_and_fed_rows_give_the_reference(net: _Net, graph: Graph) -> None:
    expected = execute.run(graph, net.image, keep=False)[graph.outputs[0]][0]
    assert net.run(net.inputs(), net.outputs(), net.arena) == 0
    assert (net.result == expected).all()
    net.result[:] = 0
    assert net.run_rows(len(net.image), net.outputs(), net.arena) == 0
    assert (net.result == expected).all()


def test_run_hooked_shows_every_layer_once_per_row(net: _Net, graph: Graph) -> None:
    seen: dict[int, list[int]] = {}

    def hook(context: Any, layer: int, row: int, data: int | None, size: int) -> None:
        if data:
            seen.setdefault(layer, []).append(row)

    kind = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32
    )
    status = net.library.net_run_hooked(
        net.inputs(), net.outputs(), ctypes.c_void_p(net.arena), kind(hook), None
    )
    assert status == 0
    assert sorted(seen) == list(range(len(graph.layers)))
    for rows in seen.values():
        assert rows == sorted(set(rows))
        assert rows[0] == 0
