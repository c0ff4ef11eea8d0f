"""The CMSIS-Pack: valid, complete, and its components build a firmware that passes."""

from __future__ import annotations

import io
import os
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.linker_script import linker_script
from edgemnv2.firmware.bundle import bundle
from tests.firmware.firmware_harness import NAME, boot, run, verdict

SCHEMA = "PACK_XSD"


@pytest.fixture
def pack(m7: Artifact, tmp_path: Path) -> Path:
    bundle(m7, "cmsis-pack", tmp_path / "pack")
    return tmp_path / "pack"


def test_the_description_validates_against_the_schema(
    pack: Path, require_tool: Callable[[str], str]
) -> None:
    xmllint = require_tool("xmllint")
    schema = os.environ.get(SCHEMA)
    if not schema:
        pytest.skip(f"{SCHEMA} does not name a copy of Open-CMSIS-Pack-Spec's schema/PACK.xsd")
    run([xmllint, "--noout", "--schema", schema, pack / f"edgemnv2.{NAME}.pdsc"], pack)


def test_the_description_has_what_the_specification_asks_for(pack: Path) -> None:
    root = ElementTree.parse(pack / f"edgemnv2.{NAME}.pdsc").getroot()
    assert root.tag == "package" and root.get("schemaVersion")
    for tag in ("vendor", "name", "description", "url", "license", "releases", "components"):
        assert len(root.findall(tag)) == 1, tag
    conditions = {c.get("id") for c in root.iter("condition")}
    components = list(root.iter("component"))
    assert [c.get("Csub") for c in components] == ["Network", "Self Test"]
    for component in components:
        assert component.get("condition") in conditions
        assert all(component.get(key) for key in ("Cclass", "Cgroup", "Cversion"))
    listed = [f.get("name", "") for f in root.iter("file")]
    assert len(listed) == len(set(listed))
    assert all((pack / name).is_file() for name in [*listed, root.findtext("license", "")])


def test_the_pack_holds_exactly_the_folder(pack: Path) -> None:
    (file,) = pack.glob("*.pack")
    assert file.name.startswith(f"edgemnv2.{NAME}.")
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    there = {p.relative_to(pack).as_posix(): p.read_bytes() for p in pack.rglob("*") if p.is_file()}
    del there[file.name]
    assert content == there


def test_its_components_build_and_pass(
    pack: Path, m7: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    gcc = require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    bundle(m7, "cmake", tmp_path / "board")
    root = ElementTree.parse(pack / f"edgemnv2.{NAME}.pdsc").getroot()
    sources = [
        pack / str(f.get("name")) for f in root.iter("file") if f.get("category") == "sourceC"
    ]
    headers = [
        pack / str(f.get("name")) for f in root.iter("file") if f.get("category") == "header"
    ]
    board = tmp_path / "board/board"
    sources += [pack / "examples/main_board.c", board / "startup.c", board / "cmsdk.c"]
    (tmp_path / "x.ld").write_text(linker_script(m7.target))
    # A build system that takes a pack adds the folder of each header.
    includes = sorted({f"-I{header.parent}" for header in headers})
    command = [gcc, "-std=c99", "-O2", "-mthumb", "-mcpu=cortex-m7", *includes, "-nostartfiles"]
    command += ["--specs=nano.specs", "-Wl,--gc-sections", "-T", "x.ld", "-o", "x.elf"]
    run([*command, *sources], tmp_path)
    assert verdict(boot(tmp_path / "x.elf", m7.target.machine)) == "PASS"
