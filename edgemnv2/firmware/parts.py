"""What every bundle is made of: the artefact's files, the self-test, names for templates."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.codegen.emit import runtime_file
from edgemnv2.codegen.ends import C_TYPES
from edgemnv2.codegen.interface import field_names
from edgemnv2.firmware.selftest import SelfTest, data_source
from edgemnv2.firmware.selftest_answers import usage_of_answers
from edgemnv2.firmware.templates import c_file, read_template, text_file
from edgemnv2.manifest import ArtifactTensor
from edgemnv2.runners.serial import MODEL_DIGITS

__all__ = ["Files", "Parts", "board_facts"]

PROTOCOL = "serial_protocol.h"

Files = dict[str, bytes]
"""Path in the bundle -> content."""


def board_facts(target_name: str) -> Mapping[str, Any]:
    """What `boards.toml` knows of a target; empty for one that it does not know."""
    text = (resources.files("edgemnv2.firmware") / "boards.toml").read_text("utf-8")
    found: Mapping[str, Any] = tomllib.loads(text).get(target_name, {})
    return found


@dataclass(frozen=True, eq=False)
class Parts:
    """One artefact and its self-test, ready to be laid out."""

    artifact: Artifact
    selftest: SelfTest

    @property
    def name(self) -> str:
        """The C prefix."""
        return self.artifact.name

    @property
    def version(self) -> str:
        """Of edgemnv2: the bundle's own."""
        return self.artifact.manifest.edgemnv2

    @property
    def has_two_cores(self) -> bool:
        """Whether there is a plan for two cores of a microcontroller."""
        manifest = self.artifact.manifest
        return self.artifact.target.is_bare_metal and max(manifest.threads) > 1

    @property
    def board(self) -> Mapping[str, Any]:
        """What build systems call the board."""
        return board_facts(self.artifact.target.name)

    def header(self, folder: str) -> Files:
        """The public header, into `folder`."""
        path = f"include/{self.name}.h"
        return {_join(folder, f"{self.name}.h"): (self.artifact.path / path).read_bytes()}

    def sources(self, folder: str) -> Files:
        """The artefact's C files and the headers that they include, into `folder`."""
        return {_join(folder, p.name): p.read_bytes() for p in self.artifact.files("src")}

    def selftest_files(self, folder: str) -> Files:
        """Self-test, serial protocol and what they need, into `folder`."""
        name = self.name
        files = {
            f"{name}_{stem}": c_file(f"c/net_{stem}", name)
            for stem in ("port.h", "selftest.c", "selftest.h")
        }
        files[PROTOCOL] = runtime_file(PROTOCOL).read_text("utf-8")
        files[f"{name}_selftest_data.c"] = data_source(self.selftest, name)
        files[f"{name}_identity.h"] = self._identity()
        return {_join(folder, path): text.encode() for path, text in files.items()}

    def licence(self) -> Files:
        """Apache 2.0, of the code."""
        return {"LICENSE": read_template("LICENSE").encode()}

    def c(self, template: str) -> bytes:
        """A C template for this artefact."""
        return c_file(template, self.name).encode()

    def text(self, template: str, **more: str) -> bytes:
        """Another template, with the common values and `more`."""
        return text_file(template, {**self.values, **more}).encode()

    @cached_property
    def values(self) -> Mapping[str, str]:
        """What `@KEY@` may stand for in every template."""
        manifest, target = self.artifact.manifest, self.artifact.target
        values = {
            "NAME": self.name,
            "UPPER": self.name.upper(),
            "VERSION": self.version,
            "DESCRIPTION": manifest.model.name,
            "SOURCE": manifest.model.source,
            "MODEL_SHORT": manifest.model.sha256[:12],
            "TARGET_NAME": target.name,
            "CORE": target.cpu.core,
            "CPU_FLAGS": " ".join(self.cpu_flags),
            "ARENA_LINE": self._arena_line(),
            "CALL": self._call(),
            "ANSWERS": usage_of_answers(self.artifact),
            "CORES": self._cores(),
            "FACTS": self._facts(),
        }
        return {**values, "USAGE": text_file("usage.md", values).rstrip()}

    @property
    def cpu_flags(self) -> tuple[str, ...]:
        """GCC's flags for a Cortex-M; empty elsewhere."""
        target = self.artifact.target
        if target.cpu.isa != "thumb":
            return ()
        chain = target.toolchain
        return ("-mthumb", f"-mcpu={chain.mcpu}", f"-mfloat-abi={chain.float_abi}")

    def _facts(self) -> str:
        manifest = self.artifact.manifest
        return (
            f"{manifest.model.name} for {self.artifact.target.description}, by edgemnv2 "
            f"{self.version}: {manifest.arena_bytes} bytes of arena, "
            f"{manifest.constants_bytes} bytes of constants."
        )

    def _cores(self) -> str:
        """How a project runs the network on two cores; empty where there is no plan for them."""
        if not self.has_two_cores:
            return ""
        return text_file("two_cores.md", {"NAME": self.name, "UPPER": self.name.upper()})

    def _arena_line(self) -> str:
        """The arena's declaration; what alignment C99 alone can give is enough on a Cortex-M."""
        upper = self.name.upper()
        if self.artifact.manifest.arena_align_bytes <= 8:
            return f"static uint64_t arena[({upper}_ARENA_BYTES + 7) / 8];"
        return (
            f"static unsigned char arena[{upper}_ARENA_BYTES]\n"
            f"    __attribute__((aligned({upper}_ARENA_ALIGN)));"
        )

    def _call(self) -> str:
        """A function that runs the network on the caller's arrays, and what each of them holds."""
        name = self.name
        parameters, comments, lines = [], [], []
        for kind, tensors in (("input", self.artifact.inputs), ("output", self.artifact.outputs)):
            fields = field_names([tensor.name for tensor in tensors], kind)
            for field, tensor in zip(fields, tensors, strict=True):
                constant = "const " if kind == "input" else ""
                parameters.append(f"{constant}{C_TYPES[tensor.dtype]} *{field}")
                comments.append(f"{field}: {_tensor_text(tensor)}")
            lines.append(f"    const struct {name}_{kind}s {kind}s = {{{', '.join(fields)}}};")
        head = f"int32_t run_network({', '.join(parameters)}) {{"
        if len(head) > 100:
            head = f"int32_t run_network({(',' + chr(10) + ' ' * 20).join(parameters)}) {{"
        return "\n".join(
            [
                "/* " + "\n * ".join(comments) + " */",
                head,
                *lines,
                f"    return {name}_run(&inputs, &outputs, arena); /* 0 is good */",
                "}",
            ]
        )

    def _identity(self) -> str:
        upper, manifest = self.name.upper(), self.artifact.manifest
        return "\n".join(
            [
                "/* What the firmware answers to `name`. */",
                f"#ifndef EDGEMNV2_{upper}_IDENTITY_H",
                f"#define EDGEMNV2_{upper}_IDENTITY_H",
                "",
                f'#define {upper}_IDENTITY_NAME "{self.name}"',
                f'#define {upper}_IDENTITY_VERSION "{self.version}"',
                f'#define {upper}_IDENTITY_MODEL "{manifest.model.sha256[:MODEL_DIGITS]}"',
                "",
                "#endif",
                "",
            ]
        )


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _tensor_text(tensor: ArtifactTensor) -> str:
    shape = " x ".join(str(n) for n in tensor.nhwc)
    text = f"{tensor.dtype}, {shape}, NHWC"
    if tensor.scale is not None:
        text += f"; real = {tensor.scale:.8g} * (stored - {tensor.zero_point})"
    return text
