"""What onnxruntime's optimisation writes into the files that it saves, in all its forms."""

from __future__ import annotations

from itertools import product

from tests.frontend.onnx_forms import Form, form, longs, normal

__all__ = ["FUSED_FORMS"]

ACTIVATIONS = {
    "Relu": "",
    "Sigmoid": "",
    "Tanh": "",
    "LeakyRelu": "0.2",
    "Clip": "-0.5, 1.5",
    "HardSigmoid": "0.3, 0.4",
}
FUSED_FORMS: dict[str, Form] = {}

for _name, _given in ACTIVATIONS.items():
    _parameters = f", activation_params=[{_given}]" if _given else ""
    _attributes = f'pads=[1,1,1,1], activation="{_name}"{_parameters}'
    FUSED_FORMS[f"FusedConv with {_name}"] = form(
        f"y = com.microsoft.FusedConv<{_attributes}>(x, w, b)", w=normal(6, 6, 3, 3), b=normal(6)
    )
    FUSED_FORMS[f"FusedConv with {_name} of a sum"] = form(
        f"y = com.microsoft.FusedConv<{_attributes}>(x, w, b, x)", w=normal(6, 6, 3, 3), b=normal(6)
    )
FUSED_FORMS["FusedConv of a sum alone"] = form(
    "y = com.microsoft.FusedConv<pads=[1,1,1,1], group=6>(x, w, , x)", w=normal(6, 1, 3, 3)
)
for _name, _given in {
    "Relu": "", "Tanh": "", "Sigmoid": "", "LeakyRelu": ", activation_alpha=0.3"
}.items():  # fmt: skip
    FUSED_FORMS[f"FusedGemm with {_name}"] = form(
        "p = GlobalAveragePool(x) f = Flatten(p) y = com.microsoft.FusedGemm<transB=1, alpha=0.5, "
        f'activation="{_name}"{_given}>(f, w, b)',
        w=normal(4, 6), b=normal(4),
    )  # fmt: skip
# Of one batch, two and three rows: which axis is which shows in the outcome.
_LEFT = {(0, 0): (2, 3, 4), (1, 0): (2, 4, 3), (0, 1): (3, 2, 4), (1, 1): (4, 2, 3)}
_RIGHT = {(0, 0): (2, 4, 5), (1, 0): (2, 5, 4), (0, 1): (4, 2, 5), (1, 1): (5, 2, 4)}
for _a, _b in product(_LEFT, _RIGHT):
    _flags = f"transA={_a[0]}, transBatchA={_a[1]}, transB={_b[0]}, transBatchB={_b[1]}"
    FUSED_FORMS[f"FusedMatMul {_flags}"] = form(
        "l = Slice(x, none, left, one) a = Reshape(l, as_left) r = Slice(x, none, right, one) "
        f"b = Reshape(r, as_right) y = com.microsoft.FusedMatMul<{_flags}, alpha=0.25>(a, b)",
        shape=(1, 60), none=longs(0), one=longs(1), left=longs(24), right=longs(40),
        as_left=longs(*_LEFT[_a]), as_right=longs(*_RIGHT[_b]),
    )  # fmt: skip
FUSED_FORMS["FusedMatMul with a constant"] = form(
    "y = com.microsoft.FusedMatMul<transB=1>(x, w)", w=normal(5, 9)
)
FUSED_FORMS["QuickGelu"] = form("y = com.microsoft.QuickGelu<alpha=1.3>(x)")
FUSED_FORMS["QuickGelu as its schema has it"] = form("y = com.microsoft.QuickGelu(x)")
