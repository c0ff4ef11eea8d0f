"""What holds for every bundle: reproducible, whole or not there, and only where it fits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.errors import ArtifactError, DoesNotFit, UsageError
from edgemnv2.firmware.board_code import CHIPS
from edgemnv2.firmware.bundle import _MAKERS, ALL, FORMATS, WEB, bundle, formats_for
from edgemnv2.firmware.fit import check_fit, flash_bytes, ram_bytes
from edgemnv2.firmware.parts import board_facts
from edgemnv2.firmware.selftest import make_selftest
from edgemnv2.firmware.templates import c_file, text_file
from edgemnv2.ops import execute
from edgemnv2.ops.store import REFERENCE_FOLDER, load_graph
from edgemnv2.target import MemoryRegion, load_target, target_names
from tests.firmware.firmware_harness import NAME, compiled, cross_cmake, run

KEYS = {
    *("zephyr", "platformio", "arduino", "pico_board", "idf_target", "chip", "manual", "facts"),
    *("flash", "port", "console_note", "qemu_uart", "code_section"),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def with_memories(artifact: Artifact, **lengths: int) -> Artifact:
    """`artifact` for a board with these memories only: flash, ram and more; in KiB."""
    memories = tuple(
        MemoryRegion(name, 2**24 * number, length * 1024, "rx" if "flash" in name else "rw")
        for number, (name, length) in enumerate(lengths.items())
    )
    return replace(artifact, target=replace(artifact.target, memories=memories))


@pytest.mark.slow(ci=True)
def test_two_bundles_of_one_artefact_are_byte_identical(
    m7: Artifact, rpi4: Artifact, tmp_path: Path
) -> None:
    for artifact in (m7, rpi4):
        name = artifact.target.name
        first = bundle(artifact, ALL, tmp_path / f"{name}-a")
        second = bundle(artifact, ALL, tmp_path / "elsewhere" / f"{name}-b")
        assert contents(first.path) == contents(second.path)
        assert first.files == second.files == tuple(sorted(contents(first.path)))
        text = b"".join(contents(first.path).values())
        assert str(tmp_path).encode() not in text


def test_all_is_every_format_that_suits_the_target(
    m7: Artifact, rpi4: Artifact, tmp_path: Path
) -> None:
    esp = replace(m7, target=load_target("esp32-c3"))
    web = replace(m7, target=load_target("wasm"))
    suited = (formats_for(artifact) for artifact in (m7, rpi4, esp, web))
    known = {ALL, *itertools.chain.from_iterable(suited)}
    assert known == set(FORMATS)
    made = bundle(m7, ALL, tmp_path / "all")
    assert {name.split("/")[0] for name in made.files} == set(formats_for(m7))
    for name in formats_for(m7):
        assert contents(bundle(m7, name, tmp_path / name).path) == contents(made.path / name)


def test_every_bundle_has_licence_readme_header_and_weights(
    m7: Artifact, rpi4: Artifact, tmp_path: Path
) -> None:
    for artifact in (m7, rpi4):
        for name in formats_for(artifact):
            made = bundle(artifact, name, tmp_path / f"{artifact.target.name}-{name}")
            readme = (made.path / "README.md").read_text()
            assert "Test_result: PASS" in readme and "Apache License 2.0" in readme
            # The three lines that build and run it.
            assert len(re.findall(r"```sh\n(.+)\n(.+)\n(.+)\n```", readme)) == 1
            if name == "linux":
                continue
            files = {Path(path).name for path in made.files}
            assert {"LICENSE", f"{NAME}.h", f"{NAME}_selftest.c", "serial_protocol.h"} <= files
            weights = f"{NAME}_constants.c" if artifact is m7 else f"lib{NAME}.so"
            assert weights in files


@pytest.mark.slow(ci=True)
def test_the_readmes_code_runs(
    m7: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("cmake")
    require_tool("gcc")
    host = compiled("mobilenetv2-0.35-32-int8", "host", tmp_path / "artifact")
    for artifact in (m7, host):
        folder = tmp_path / artifact.target.name
        bundle(artifact, "cmake", folder)
        blocks = re.findall(r"```c\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        (code,) = [block for block in blocks if "run_network(" in block]
        name, upper = artifact.name, artifact.name.upper()
        main = f"""
            int main(void) {{
                static {upper}_INPUT_TYPE in[{upper}_INPUT_BYTES];
                static {upper}_OUTPUT_TYPE out[{upper}_OUTPUT_BYTES];
                return run_network(in, out);
            }}"""
        (folder / "app.c").write_text(code + main)
        project = tmp_path / f"project-{artifact.target.name}"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.16)\nproject(app C)\n"
            f"add_subdirectory({folder} net)\nadd_executable(app {folder}/app.c)\n"
            f"target_link_libraries(app PRIVATE {name}::{name})\n"
        )
        build = project / "build"
        run(["cmake", "-S", project, "-B", build], project, CFLAGS="-Wall -Werror")
        run(["cmake", "--build", build], tmp_path)
        run([build / "app"], tmp_path)


def test_a_format_that_does_not_suit_the_target_is_refused(
    m7: Artifact, rpi4: Artifact, tmp_path: Path
) -> None:
    for artifact, wrong in ((m7, "linux"), (rpi4, "arduino"), (m7, "make")):
        with pytest.raises(
            UsageError, match=rf"format={wrong}: does not suit .* \(expected one of"
        ):
            bundle(artifact, wrong, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_never_touched(m7: Artifact, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="the folder is not empty"):
        bundle(m7, "cmake", tmp_path / "full")
    with pytest.raises(ArtifactError, match="is not a folder"):
        bundle(m7, "cmake", tmp_path / "file")
    with pytest.raises(ArtifactError, match="cannot be written"):
        bundle(m7, "cmake", tmp_path / "file" / "below")
    bundle(m7, "cmake", tmp_path / "empty")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "full"]
    assert contents(tmp_path / "full") == {"mine": b"x"}


def test_flash_that_is_too_small_is_told_before_anything_is_written(
    m7: Artifact, tmp_path: Path
) -> None:
    needed = flash_bytes(m7, make_selftest(m7)) // 1024
    with pytest.raises(
        DoesNotFit, match=r"needs [\d.]+ KiB of flash, mps2-an500 has .*: weights [\d.]+ KiB, "
    ):
        bundle(with_memories(m7, flash=needed - 1, ram=512), "cmake", tmp_path / "x")
    assert not list(tmp_path.iterdir())
    bundle(with_memories(m7, flash=needed + 1, ram=512), "cmake", tmp_path / "x")


def test_ram_that_is_too_small_is_told_by_region(m7: Artifact, tmp_path: Path) -> None:
    selftest = make_selftest(m7)
    needed = ram_bytes(m7) // 1024
    check_fit(with_memories(m7, flash=4096, ram=needed + 1), selftest)
    with pytest.raises(DoesNotFit, match=r"KiB of ram, .*: arena [\d.]+ KiB, stack 8.0 KiB"):
        check_fit(with_memories(m7, flash=4096, ram=needed - 1), selftest)
    # Stack and variables lie in the first region, the arena in the largest.
    arena = -(-m7.arena_bytes // 1024)
    check_fit(with_memories(m7, flash=4096, ram=10, ram2=arena), selftest)
    with pytest.raises(DoesNotFit, match=r"KiB of ram2, .*: arena"):
        check_fit(with_memories(m7, flash=4096, ram=10, ram2=arena - 1), selftest)
    with pytest.raises(DoesNotFit, match=r"KiB of ram, .*: stack"):
        check_fit(with_memories(m7, flash=4096, ram=8, ram2=arena), selftest)


def test_the_estimate_is_above_what_the_linker_places(
    m7: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for name in ("cmake", "arm-none-eabi-gcc"):
        require_tool(name)
    bundle(m7, "cmake", tmp_path / "net")
    program = cross_cmake(tmp_path / "net")
    said = run(["arm-none-eabi-size", "-A", program], tmp_path)
    rows = re.findall(r"^(\.\S+) +(\d+) +\d+$", said, re.MULTILINE)
    sections = {name: int(size) for name, size in rows}
    flash = sum(sections.get(s, 0) for s in (".text", ".rodata", ".data", ".ARM.exidx"))
    assert flash < flash_bytes(m7, make_selftest(m7)) < flash + 24 * 1024
    ram = sum(sections.get(s, 0) for s in (".data", ".bss", ".arena"))
    assert ram < ram_bytes(m7) < ram + 10 * 1024


def test_the_selftest_is_the_reference_models_own_answer(m7: Artifact) -> None:
    selftest = make_selftest(m7)
    graph = load_graph(m7.path / REFERENCE_FOLDER)
    found = execute.run(graph, selftest.inputs["input"])[graph.outputs[0]]
    np.testing.assert_array_equal(found, selftest.expected["output"])
    # An output that is the same everywhere would prove little.
    assert len(np.unique(selftest.expected["output"])) > 20
    assert selftest.tolerances == {"output": 0}


def test_a_reference_of_another_model_is_refused(m7: Artifact) -> None:
    model = replace(m7.manifest.model, sha256="0" * 64)
    with pytest.raises(ArtifactError, match="is of another model than the code"):
        make_selftest(replace(m7, manifest=replace(m7.manifest, model=model)))


def test_boards_are_targets_and_their_facts_are_complete() -> None:
    for name in target_names():
        facts = board_facts(name)
        assert set(facts) <= KEYS
        assert set(facts.get("platformio", {})) in (set(), {"platform", "board"})
        if not load_target(name).is_bare_metal:
            assert facts == {}
            continue
        # One of the two ways to a firmware; and a real board's can be put on it.
        ways = {"chip", "pico_board", "idf_target"} & set(facts)
        # QEMU's board with two cores has no console of ours: its bundle asks for one.
        thumb = load_target(name).cpu.isa == "thumb" and name != "musca-b1"
        is_device = thumb or name.startswith("esp32")
        assert len(ways) == int(is_device), name
        assert {"chip", "manual", "facts"}.isdisjoint(facts) or facts["chip"] in CHIPS
        is_emulated = load_target(name).runner == "qemu-system"
        assert is_emulated or "chip" not in facts or {"flash", "port"} <= set(facts)
    assert board_facts("no such board") == {}


def test_templates_take_the_artefacts_name() -> None:
    text = c_file("c/net_selftest.h", "digits")
    assert "int32_t digits_selftest(const struct digits_port *port);" in text
    assert "EDGEMNV2_DIGITS_SELFTEST_H" in text and '#include "digits.h"' in text
    assert not re.search(r"(?<![A-Za-z])(net|NET)_", text)
    with pytest.raises(KeyError):
        text_file("arduino/library.properties", {})


def test_the_command_lines_formats_are_the_librarys() -> None:
    from edgemnv2.cli.bundle import FORMATS as SPELLED

    assert SPELLED == FORMATS and set(FORMATS) == {*_MAKERS, WEB, ALL}
