"""What is refused says the node, its operator, the reason and what to do; all of it at once."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from tests.frontend.onnx_forms import Form, form, longs, normal, number

FORMS: dict[str, tuple[Form, str]] = {
    "Einsum that sums one operand": (
        form('y = Einsum<equation="nchw,co->noh">(x, w)', w=normal(6, 4)),
        "ReduceSum",
    ),
    "TopK of more than there are": (
        form("f = Flatten(x) y, i = TopK(f, k)", k=longs(3000)),
        "or fewer",
    ),
    "If of the image": (
        form(
            "a = ReduceMax<keepdims=0>(x) q = Greater(a, k) "
            "y = If(q) <then_branch = a () => (float[N] t) { t = Relu(x) }, "
            "else_branch = b () => (float[N] e) { e = Neg(x) }>",
            k=number(0),
        ),
        "without branches",
    ),
    "FusedConv with another activation": (
        form('y = com.microsoft.FusedConv<activation="Elu">(x, w)', w=normal(4, 6, 3, 3)),
        "ORT_DISABLE_ALL",
    ),
    "NhwcMaxPool": (
        Form("y = com.microsoft.NhwcMaxPool<kernel_shape=[2,2]>(x)", dtype="uint8"),
        "ORT_DISABLE_ALL",
    ),
    "MatMulNBits": (
        form(
            "f = Flatten(x) "
            "y = com.microsoft.MatMulNBits<K=432, N=4, bits=4, block_size=16>(f, w, s)",
            w=np.zeros((4, 27, 8), np.uint8),
            s=normal(108),
        ),
        "8 bits or floats",
    ),
    "LpNormalization": (form("y = LpNormalization<axis=1, p=1>(x)"), "square root"),
    "Pow by several exponents": (form("y = Pow(x, e)", e=normal(6, 1, 1)), "products"),
    "a scale that is computed": (
        form(
            "m = ReduceMax<keepdims=0>(x) q = QuantizeLinear(x, m, z) "
            "y = DequantizeLinear(q, m, z)",
            z=np.int8(0),
        ),
        "quantize_static",
    ),
    "16 bits": (
        form(
            "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
            opset=21,
            s=number(0.01),
            z=np.uint16(9),
        ),
        "8 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_refusal_says_where_what_why_and_the_remedy(name: str, tmp_path: Path) -> None:
    made, remedy = FORMS[name]
    path = tmp_path / "form.onnx"
    path.write_bytes(made.model().SerializeToString())
    with pytest.raises(UnsupportedOperator) as error:
        lower(load_model(path))
    for line in str(error.value).splitlines():
        if " operators are not supported, " in line:
            continue
        assert re.search(r"node (\d+ \(to '\w+'\)|'\w+'|to '\w+'): \D+", line), line
        assert "; " in line
    assert remedy in str(error.value)


def test_all_that_layers_cannot_be_made_of_is_told_at_once(tmp_path: Path) -> None:
    """What is found only when a network is laid out in memory, not at its first fault."""
    text = "a = Pad(x, batch) b = Relu(a) c = Pad(b, batch) y = Neg(c)"
    path = tmp_path / "form.onnx"
    model = Form(text, {"batch": longs(1, 0, 0, 0, 0, 0, 0, 0)}).model()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedOperator) as error:
        lower(load_model(path))
    lines = str(error.value).splitlines()
    assert [line.split("node ")[1][0] for line in lines] == ["0", "2"]
