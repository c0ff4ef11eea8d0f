"""Every shipped target file obeys the schema, and says what its device is."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from edgemnv2.errors import TargetError
from edgemnv2.schedules.neon.isa import isa_of
from edgemnv2.target import (
    Target,
    load_target,
    missing_local_features,
    parse_target,
    target_names,
)
from edgemnv2.target_schema import FEATURES

TARGETS = Path(__file__).resolve().parents[2] / "targets"
# The names that the issue asks for.
PROMISED = {
    *("x86-64-v3", "x86-64-v4-vnni", "armv8.2-a", "rpi3", "rpi3-32", "rpi4", "rpi5", "cortex-a53"),
    *("mps2-an386", "mps2-an500", "mps3-an547", "cortex-m0plus"),
    *("nucleo-f746zg", "nucleo-h743zi", "nano33ble", "rpi-pico", "rpi-pico2", "stm32l4r5"),
    *("nucleo-f446re", "nucleo-f429zi", "mps2-an505", "rpi-zero2", "riscv32-virt", "generic-c99"),
    *("esp32", "esp32-c3", "esp32-c6", "esp32-p4", "esp32-s3"),
}


def good_table() -> dict[str, object]:
    return tomllib.loads((TARGETS / "mps2-an500.toml").read_text())


def test_every_promised_target_ships() -> None:
    assert set(target_names()) >= PROMISED


@pytest.mark.parametrize("name", target_names())
def test_target_file_loads_and_its_dict_describes_it_completely(name: str) -> None:
    target = load_target(name)
    assert target.name == name and target.description
    assert parse_target(name, target.to_dict(), "dict") == target


@pytest.mark.parametrize("name", target_names())
def test_target_file_cites_its_source(name: str) -> None:
    text = (TARGETS / f"{name}.toml").read_text()
    assert text.startswith("# "), "the first line says where the figures come from"


@pytest.mark.parametrize("name", [n for n in target_names() if not load_target(n).is_bare_metal])
def test_llvm_knows_the_core_of_a_linux_target(name: str) -> None:
    tvm = pytest.importorskip("tvm")
    target = load_target(name)
    made = target.tvm_target()
    assert made.kind.name == "llvm"
    valid = tvm.get_global_func("target.llvm_get_cpu_archlist")(made)
    assert target.toolchain.mcpu in {str(cpu) for cpu in valid}


def test_bare_metal_targets_are_generated_as_c() -> None:
    target = load_target("mps2-an386")
    assert target.codegen == "c" and target.is_bare_metal
    assert target.tvm_target().kind.name == "c"


def test_hard_float_abi_reaches_llvm_on_armv7() -> None:
    assert load_target("rpi3-32").tvm_target().attrs["mfloat-abi"] == "hard"


def test_memory_sizes_of_a_target() -> None:
    target = load_target("nucleo-h743zi")
    assert target.ram_bytes == 512 * 1024
    assert target.flash_bytes == 2 * 1024 * 1024


def test_features_are_asked_by_name() -> None:
    assert load_target("rpi5").has("dotprod") and not load_target("rpi4").has("dotprod")
    assert load_target("mps3-an547").has("mve") and not load_target("mps3-an547").has("neon")


def test_unknown_target_names_the_nearest() -> None:
    with pytest.raises(TargetError, match=r"'rpi6': no such target; did you mean 'rpi5'\?"):
        load_target("rpi6")


def test_unknown_target_far_from_all_says_how_to_list_them() -> None:
    with pytest.raises(TargetError, match="`edgemnv2 targets` lists them"):
        load_target("qqqqqqqq")


def test_a_file_of_the_user_is_a_target(tmp_path: Path) -> None:
    shutil.copy(TARGETS / "rpi4.toml", tmp_path / "mine.toml")
    mine = load_target(tmp_path / "mine.toml")
    assert mine == dataclasses.replace(load_target("rpi4"), name="mine")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=re.escape("nowhere.toml: No such file or directory")):
        load_target("./nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[cpu\n")
    with pytest.raises(TargetError, match=r"broken\.toml: not TOML: .*line 1"):
        load_target(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match="not UTF-8 text"):
        load_target(broken)


WRONG: list[tuple[str, str, object, str]] = [
    ("cpu", "clock_hz", -1, r"cpu\.clock_hz = -1 \(must be an integer from 0 to"),
    ("cpu", "clock_hz", 2.5e7, r"cpu\.clock_hz = 25000000\.0 \(must be an integer"),
    ("cpu", "cores", True, r"cpu\.cores = True \(must be an integer from 1 to 256"),
    ("cpu", "isa", "arm", r"cpu\.isa = 'arm' \(must be a text out of: 'aarch64'"),
    ("cpu", "features", "dsp", r"cpu\.features = 'dsp' \(must be a list of texts"),
    ("cpu", "features", ["dps"], r"cpu\.features = \['dps'\] \(must be a list of texts out of"),
    ("cpu", "features", ["neon"], r"has 'neon', which thumb does not know"),
    ("toolchain", "mcpu", 7, r"toolchain\.mcpu = 7 \(must be a text"),
    ("toolchain", "float_abi", "", r"toolchain\.float_abi = '' \(must be 'hard' or 'soft'"),
    ("toolchain", "triple", "x", r"toolchain\.triple = 'x' \(must begin with arm or thumb"),
    ("cpu", "split_operations", "uzp1", r"cpu\.split_operations = 'uzp1' \(must be a list of"),
    ("cpu", "split_operations", ["zip"], r"= \['zip'\] \(must be a list of texts out of: 'fmax'"),
    ("cpu", "split_operations", ["uzp1"], r"has 'uzp1', which is none of thumb's \(must be"),
    ("cpu", "l1d_ways", 65, r"cpu\.l1d_ways = 65 \(must be an integer from 0 to 64\)"),
    ("cpu", "l1d_ways", 3, r"cpu\.l1d_bytes = 0 with cpu\.l1d_ways = 3 \(must both be 0"),
    ("cpu", "l2_bytes", 4096, r"cpu\.l2_bytes = 4096 with cpu\.l2_ways = 0 \(must both be 0"),
    ("cpu", "l2_cores", 1, r"cpu\.l2_cores = 1 \(must be 1 to 1, the cores that share an L2"),
    ("run", "runner", "gdb", r"run\.runner = 'gdb' \(must be a text out of: 'local'"),
    ("run", "machine", "", r"run\.machine is empty"),
    ("tune", "metric", "ms", r"tune\.metric = 'ms' \(must be"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), WRONG)
def test_wrong_value_is_refused_with_key_and_expectation(
    section: str, key: str, value: object, message: str
) -> None:
    table = good_table()
    table[section][key] = value  # type: ignore[index]
    with pytest.raises(TargetError, match=f"^here.toml: .*{message}"):
        parse_target("here", table, "here.toml")


def test_caches_are_whole_sets_of_lines() -> None:
    table = load_target("rpi4").to_dict()
    for key, value in (("l1d_ways", 3), ("cache_line_bytes", 0), ("cache_line_bytes", 48)):
        wrong = {**table, "cpu": {**table["cpu"], key: value}}
        with pytest.raises(TargetError, match=r"cpu\.l1d_bytes = 32768 \(must be a multiple of"):
            parse_target("here", wrong, "here.toml")
    wrong = {**table, "cpu": {**table["cpu"], "l2_cores": 5}}
    with pytest.raises(TargetError, match=r"cpu\.l2_cores = 5 \(must be 1 to 4"):
        parse_target("here", wrong, "here.toml")


def test_unknown_keys_are_refused_at_every_level() -> None:
    table = good_table()
    table["color"] = 1
    with pytest.raises(TargetError, match=r"here\.toml: unknown key color \(expected cpu"):
        parse_target("here", table, "here.toml")
    table = good_table()
    table["cpu"]["clock"] = 1  # type: ignore[index]
    with pytest.raises(TargetError, match=r"unknown key cpu\.clock .*did you mean cpu\.clock_hz\?"):
        parse_target("here", table, "here.toml")


# Arm's Software Optimization Guides of these cores: three operations for a `uzp1` of 128 bits, two
# for a float maximum.
SPLIT = {"cortex-a57", "cortex-a72"}


@pytest.mark.parametrize("name", [n for n in target_names() if load_target(n).cpu.isa == "aarch64"])
def test_what_a_core_splits_is_in_its_file_and_in_a_copy_of_it(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    assert (target.cpu.split_operations == {"fmax", "uzp1"}) == (target.cpu.core in SPLIT)
    assert isa_of(target).unzips == ("uzp1" not in target.cpu.split_operations)
    assert isa_of(target).halves == ("fmax" in target.cpu.split_operations)
    shutil.copy(TARGETS / f"{name}.toml", tmp_path / "mine.toml")
    assert isa_of(load_target(tmp_path / "mine.toml")) == isa_of(target)


def test_a_file_that_splits_nothing_leaves_the_key_out() -> None:
    table = load_target("rpi4").to_dict()
    assert table["cpu"].pop("split_operations") == ["fmax", "uzp1"]
    assert not parse_target("here", table, "here.toml").cpu.split_operations
    assert "split_operations" not in load_target("rpi5").to_dict()["cpu"]


def test_missing_keys_are_refused_since_files_are_complete() -> None:
    table = good_table()
    del table["cpu"]["core"]  # type: ignore[attr-defined]
    with pytest.raises(TargetError, match=r"key cpu\.core is missing"):
        parse_target("here", table, "here.toml")
    table = good_table()
    del table["run"]
    with pytest.raises(TargetError, match="key run is missing"):
        parse_target("here", table, "here.toml")


def test_tables_of_the_wrong_kind_are_refused() -> None:
    for section, value, message in [
        ("cpu", 3, r"cpu must be a table, \[cpu\]"),
        ("memory", {}, r"memory must be one or more \[\[memory\]\] tables"),
        ("memory", [], r"memory must be one or more"),
        ("description", 3, "description must be a text"),
    ]:
        with pytest.raises(TargetError, match=message):
            parse_target("here", {**good_table(), section: value}, "here.toml")


def test_memories_must_not_overlap_and_must_allow_writing() -> None:
    table = good_table()
    first, second, *_ = table["memory"]  # type: ignore[misc]
    with pytest.raises(TargetError, match="regions must not overlap"):
        overlapping = [first, {**second, "origin": first["length"] - 1}]
        parse_target("here", {**table, "memory": overlapping}, "here.toml")
    with pytest.raises(TargetError, match="no \\[\\[memory\\]\\] has access = 'rw'"):
        parse_target("here", {**table, "memory": [first]}, "here.toml")


def test_code_for_another_instruction_set_does_not_run_here() -> None:
    assert missing_local_features(load_target("mps2-an386")) == ("thumb",)


def test_a_feature_that_this_processor_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_text(self: Path, **_: object) -> str:
        return "processor : 0\nflags : fpu sse2 fma\n"

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(Path, "read_text", read_text)
    host = Target(**{f.name: getattr(HOST, f.name) for f in dataclasses.fields(Target)})
    assert missing_local_features(host) == ("avx2",)


HOST = load_target("x86-64-v3")


def test_no_feature_belongs_to_two_meanings() -> None:
    assert all(tuple(sorted(names)) == names for names in FEATURES.values())


def test_a_computer_that_can_do_more_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgemnv2 import target as module

    lacking: dict[str, tuple[str, ...]] = {}
    monkeypatch.setattr(module, "missing_local_features", lambda t: lacking.get(t.name, ("isa",)))
    host = load_target("x86-64-v3")
    assert module.more_capable_local_target(host) is None
    lacking |= {"x86-64-v3": (), "x86-64-v4-vnni": ()}
    better = module.more_capable_local_target(host)
    assert better is not None and better.name == "x86-64-v4-vnni"
    assert module.more_capable_local_target(better) is None
    lacking["x86-64-v4-vnni"] = ("avx512vnni",)
    assert module.more_capable_local_target(host) is None
