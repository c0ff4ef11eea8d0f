"""C source from TIR: what TVM's generator would lose is kept."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tvm import tirx

from edgemnv2.codegen.c_source import kernel_source
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, load, scalar
from edgemnv2.tir.code import Code

# Each prints as another number with TVM's seven digits, the first two as the same one.
NUMBERS = (0.007843137718737125, 0.007843138, 1.1754944e-38, -3.4028235e38, 16777217.0, 1e-7, 0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_constants_come_back_the_same(dtype: str) -> None:
    expected = [np.dtype(dtype).type(x) for x in NUMBERS]
    builder = Builder("numbers", scope="global")
    out = builder.pointer("out", dtype)
    for index, number in enumerate(expected):
        builder.store(out, index, load(out, index, dtype) + tirx.const(float(number), dtype))
    text = kernel_source({"k": RowKernel("numbers", (), code=Code.of(builder))}, "n")
    suffix = "f" if dtype == "float32" else ""
    literals = re.findall(rf"\+ \(?([-+.\de]+){suffix}\)?\);", text["n_numbers"])
    assert [np.dtype(dtype).type(x) for x in literals] == expected


def test_an_integer_kernel_has_no_float_in_it() -> None:
    builder = Builder("whole", scope="global")
    out = builder.pointer("out", "int32")
    builder.store(out, 0, load(out, 0, "int32") + scalar(1000, "int32"))
    text = kernel_source({"k": RowKernel("whole", (), code=Code.of(builder))}, "n")
    assert "1000" in text["n_whole"] and "." not in text["n_whole"]
