"""Arduino, PlatformIO and Zephyr bundles through their own tools, booted under QEMU."""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.elf import read_elf
from edgemnv2.firmware.bundle import bundle
from tests.firmware.firmware_harness import (
    HERE,
    NAME,
    boot,
    build_arduino,
    build_platformio,
    build_zephyr,
    compiled,
    verdict,
)

Need = Callable[[str], str]
NeedModule = Callable[[str], None]

# What Zephyr's scripts/schemas/module-schema.yaml has for the keys that we use.
MODULE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "build"],
    "properties": {
        "name": {"type": "string"},
        "build": {
            "type": "object",
            "additionalProperties": False,
            "required": ["cmake", "kconfig"],
            "properties": {"cmake": {"type": "string"}, "kconfig": {"type": "string"}},
        },
        "samples": {"type": "array", "items": {"type": "string"}},
    },
}


@pytest.fixture(autouse=True)
def tools(require_tool: Need) -> None:
    for name in ("arm-none-eabi-g++", "qemu-system-arm"):
        require_tool(name)


def find_pio(require_tool: Need) -> Path:
    """PlatformIO wants packages of its own, so it usually has an environment of its own: PIO."""
    return Path(os.environ.get("PIO") or require_tool("pio"))


def check_arduino(artifact: Artifact, folder: Path) -> None:
    assert verdict(boot(build_arduino(artifact, folder), artifact.target.machine)) == "PASS"


def check_platformio(artifact: Artifact, folder: Path, pio: Path) -> None:
    program = build_platformio(artifact, folder, pio)
    assert verdict(boot(program, artifact.target.machine)) == "PASS"


def kconfig_settings(module: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the sample's prj.conf sets, by the real kconfiglib; its warnings are errors."""
    import kconfiglib

    monkeypatch.setenv("MODULE_KCONFIG", str(module / "zephyr/Kconfig"))
    kconf = kconfiglib.Kconfig(str(HERE / "zephyr/Kconfig"), warn_to_stderr=False)
    kconf.load_config(str(module / "samples/selftest/prj.conf"))
    assert not kconf.warnings
    wanted = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", conf_text(module), re.MULTILINE))
    for name, value in wanted.items():
        assert kconf.syms[name].str_value == value.strip('"'), f"{name}: a dependency is not met"
    return [f"CONFIG_{name}={kconf.syms[name].str_value}" for name in wanted]


def conf_text(module: Path) -> str:
    return (module / "samples/selftest/prj.conf").read_text()


def check_zephyr(artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = folder / "module"
    bundle(artifact, "zephyr", module)
    settings = kconfig_settings(module, monkeypatch)
    program = build_zephyr(artifact, folder, module, settings)
    assert verdict(boot(program, artifact.target.machine)) == "PASS"


def test_arduino_builder_builds_the_library_and_it_passes(
    m7: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    require_tool("arduino-builder")
    check_arduino(m7, tmp_path)


def test_platformio_builds_the_example_and_it_passes(
    m7: Artifact, tmp_path: Path, require_tool: Need
) -> None:
    check_platformio(m7, tmp_path, find_pio(require_tool))


def test_zephyr_sample_builds_against_the_stand_in_and_passes(
    m7: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Need,
    require_module: NeedModule,
) -> None:
    require_tool("cmake")
    require_module("kconfiglib")
    check_zephyr(m7, tmp_path, monkeypatch)


def test_zephyrs_settings_move_arena_weights_and_code(
    m7: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Need,
    require_module: NeedModule,
) -> None:
    require_tool("cmake")
    require_module("kconfiglib")
    module = tmp_path / "module"
    bundle(m7, "zephyr", module)
    places = {"ARENA": ".arena", "CONSTANTS": ".rodata.far", "CODE": ".text.hot"}
    lines = [f'CONFIG_EDGEMNV2_{NAME.upper()}_{k}_SECTION="{v}"' for k, v in places.items()]
    conf = module / "samples/selftest/prj.conf"
    conf.write_text("\n".join([conf_text(module), *lines, ""]))
    settings = kconfig_settings(module, monkeypatch)
    program = build_zephyr(m7, tmp_path, module, settings)
    assert verdict(boot(program, m7.target.machine)) == "PASS"
    found = {
        section.name
        for path in program.parent.rglob("*.obj")
        for section in read_elf(path).sections
    }
    assert set(places.values()) <= found


@pytest.mark.slow
def test_fomo_passes_in_each_framework(
    fomo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Need,
    require_module: NeedModule,
) -> None:
    for name in ("cmake", "arduino-builder"):
        require_tool(name)
    require_module("kconfiglib")
    artifact = compiled(fomo, "mps2-an500", tmp_path / "artifact")
    check_arduino(artifact, tmp_path / "arduino")
    check_zephyr(artifact, tmp_path / "zephyr", monkeypatch)
    check_platformio(artifact, tmp_path / "pio", find_pio(require_tool))


def test_zephyr_kconfig_keeps_the_selftest_behind_the_network(
    m7: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_module: NeedModule
) -> None:
    require_module("kconfiglib")
    bundle(m7, "zephyr", tmp_path / "m")
    conf = tmp_path / "m/samples/selftest/prj.conf"
    upper = NAME.upper()
    conf.write_text(conf_text(tmp_path / "m").replace(f"CONFIG_EDGEMNV2_{upper}=y\n", ""))
    with pytest.raises(AssertionError, match=r"dependency is not met|warnings"):
        kconfig_settings(tmp_path / "m", monkeypatch)


def test_west_takes_the_module_as_the_manifest_of_a_workspace(
    m7: Artifact, tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("west")
    from west.manifest import ImportFlag, Manifest

    bundle(m7, "zephyr", tmp_path / "m")
    text = (tmp_path / "m" / "west.yml").read_text()
    manifest = Manifest.from_data(text, import_flags=ImportFlag.IGNORE)
    (zephyr,) = (project for project in manifest.projects if project.name == "zephyr")
    assert zephyr.url == "https://github.com/zephyrproject-rtos/zephyr"
    assert zephyr.revision == "v3.7.0"
    own = manifest.projects[0]
    assert own.path == m7.name, "`west init -l` of the folder that the README names"


def test_zephyr_module_and_sample_descriptions_are_well_formed(
    m7: Artifact, tmp_path: Path, require_module: NeedModule
) -> None:
    for name in ("yaml", "jsonschema"):
        require_module(name)
    import jsonschema
    import yaml

    bundle(m7, "zephyr", tmp_path / "m")
    module = yaml.safe_load((tmp_path / "m/zephyr/module.yml").read_text())
    jsonschema.validate(module, MODULE_SCHEMA)
    assert (tmp_path / "m" / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (tmp_path / "m" / module["build"]["kconfig"]).is_file()
    assert all((tmp_path / "m" / folder).is_dir() for folder in module["samples"])
    sample = yaml.safe_load((tmp_path / "m/samples/selftest/sample.yaml").read_text())
    (test,) = sample["tests"].values()
    assert test["integration_platforms"] == ["mps2/an500"]
    assert test["harness_config"] == {"type": "one_line", "regex": ["Test_result: PASS"]}
    flash = m7.manifest.constants_bytes // 1024
    assert flash < test["min_flash"] < flash + 128
    assert m7.arena_bytes // 1024 < test["min_ram"] < m7.arena_bytes // 1024 + 32


def test_arduino_library_follows_the_specification(m7: Artifact, tmp_path: Path) -> None:
    bundle(m7, "arduino", tmp_path / "lib")
    parser = configparser.ConfigParser()
    parser.read_string("[x]\n" + (tmp_path / "lib/library.properties").read_text())
    properties = parser["x"]
    required = "name version author maintainer sentence paragraph category url architectures"
    assert set(required.split()) <= set(properties)
    assert properties["category"] == "Data Processing" and properties["architectures"] == "*"
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert (tmp_path / "lib/src" / properties["includes"]).is_file()
    # No include path but src/ itself: every quoted include lies beside its file.
    for source in (tmp_path / "lib/src").iterdir():
        for name in re.findall(r'^#include "(.+)"', source.read_text(), re.MULTILINE):
            assert (tmp_path / "lib/src" / name).is_file(), f"{source.name} includes {name}"


def test_platformio_library_names_files_that_are_there(m7: Artifact, tmp_path: Path) -> None:
    bundle(m7, "platformio", tmp_path / "lib")
    library = json.loads((tmp_path / "lib/library.json").read_text())
    assert library["name"] == NAME and (tmp_path / "lib/src" / library["headers"]).is_file()
    (example,) = library["examples"]
    for name in example["files"]:
        assert (tmp_path / "lib" / example["base"] / name).is_file()


def test_known_boards_are_named_for_each_build_system(tmp_path: Path) -> None:
    artifact = compiled("mobilenetv2-0.35-32-int8", "stm32l4r5", tmp_path / "artifact")
    bundle(artifact, "all", tmp_path / "out")
    ini = (tmp_path / "out/platformio/examples/SelfTest/platformio.ini").read_text()
    assert "platform = ststm32\nboard = nucleo_l4r5zi\n" in ini
    arduino = (tmp_path / "out/arduino/README.md").read_text()
    assert "--fqbn STMicroelectronics:stm32:Nucleo_144:pnum=NUCLEO_L4R5ZI" in arduino
    assert "-b nucleo_l4r5zi " in (tmp_path / "out/zephyr/README.md").read_text()
    assert "YOUR_" not in "".join(p.read_text() for p in (tmp_path / "out").glob("*/README.md"))
