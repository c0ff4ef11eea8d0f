"""A camera's rows into the rows that a fed network takes: `<name>_preprocess_row` in C.

What is computed is in `edgemnv2/runtime/camera_rows.h`; the artefact adds sizes and one table: the
stored value of each byte of each channel, which the presets of `samples.images` give.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.codegen.answers import RUNTIME, public_struct
from edgemnv2.codegen.ends import InterfaceEnd

__all__ = ["CAMERA_FILE", "CameraRows", "camera_exports", "camera_header", "camera_source"]

CAMERA_FILE = "camera_rows.h"
FITS = {
    "crop": "EDGEMNV2_CROP",
    "letterbox": "EDGEMNV2_LETTERBOX",
    "stretch": "EDGEMNV2_STRETCH",
}
PER_LINE = 16


@dataclass(frozen=True, eq=False)
class CameraRows:
    """The input for images; `table` `[C, 256]` in its type, `fit` as in `task.FITS`."""

    end: InterfaceEnd
    table: NDArray[Any]
    fit: str


def camera_exports() -> list[str]:
    """The functions, without the artefact's name in front."""
    return ["preprocess_row"]


def camera_header(rows: CameraRows, name: str) -> list[str]:
    """The part of the public header about cameras."""
    upper, end = name.upper(), rows.end
    text = (RUNTIME / CAMERA_FILE).read_text("utf-8")
    formats = re.search(r"^enum edgemnv2_format \{.*?^\};\n", text, re.DOTALL | re.MULTILINE)
    taps = re.findall(r"^/\* Taps .*?(?=^/\* Halves)", text, re.DOTALL | re.MULTILINE)
    assert formats is not None and len(taps) == 1

    def own(words: str) -> list[str]:
        renamed = words.replace("edgemnv2_", f"{name}_").replace("EDGEMNV2_", f"{upper}_")
        return renamed.strip("\n").split("\n")

    return [
        f"/* Rows of a camera for {name}_run_rows, without a frame in memory: give it",
        f" * {name}_preprocess_row and a `struct {name}_camera` as its context. */",
        *own(formats[0]),
        *public_struct(CAMERA_FILE, "camera", name),
        *own(taps[0]),
        "/* Memory for pictures of that size. */",
        f"#define {upper}_CAMERA_MEMORY(width, height) \\",
        f"  {upper}_CAMERA_BYTES(width, height, {end.width}, {end.height}, {end.channels})",
        f"int32_t {name}_preprocess_row(void *camera, int32_t row, {end.c_type} *destination);",
        "",
    ]


def camera_source(rows: CameraRows, name: str) -> str:
    """`src/<name>_preprocess.c`."""
    end, flat = rows.end, rows.table.reshape(-1)
    if flat.dtype.kind == "f":
        words = [f"{np.float32(value)!s}f" for value in flat]
    else:
        words = [str(int(value)) for value in flat]
    lines = [", ".join(words[i : i + PER_LINE]) + "," for i in range(0, len(words), PER_LINE)]
    return "\n".join(
        [
            f"/* {name}: rows of a camera as rows of its input, by edgemnv2. */",
            f'#include "{name}.h"',
            "",
            f"#define EDGEMNV2_CAMERA {name}_camera",
            f'#include "{CAMERA_FILE}"',
            "",
            "/* The stored value of each byte, channel by channel. */",
            f"static const {end.c_type} table[{len(words)}] = {{",
            *(f"    {line}" for line in lines),
            "};",
            "static const struct edgemnv2_wanted wanted = {",
            f"    {end.width}, {end.height}, {end.channels}, {FITS[rows.fit]},",
            "    (int32_t)sizeof table[0], table};",
            "",
            f"int32_t {name}_preprocess_row(void *camera, int32_t row, {end.c_type} *destination)"
            " {",
            "  if (camera == NULL) return 1;",
            f"  return edgemnv2_camera_row(&wanted, (struct {name}_camera *)camera, row,",
            "      destination);",
            "}",
            "",
        ]
    )
