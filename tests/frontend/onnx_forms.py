"""Tiny ONNX networks by their text: each operator in the forms that exporters write.

A form's text is ONNX's own: `y = Relu(x)`. Names that nothing makes are its constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import numpy_helper, parser

__all__ = ["FORMS", "Form"]

SHAPE = (1, 6, 8, 9)
NEWEST_OF_IR_8 = 20
RANDOM = np.random.default_rng(24)


@dataclass(frozen=True)
class Form:
    """A network from `x` (or several `inputs`) to `y` (and `z`, where the text makes it)."""

    text: str
    constants: dict[str, Any] = field(default_factory=dict)
    opset: int = 17
    shape: tuple[int, ...] = SHAPE
    dtype: str = "float"
    functions: str = ""
    batch: str = ""
    steps: int = 0
    """By how many steps of its output's scale two right ways may differ."""

    def model(self) -> Any:
        """The ONNX model."""
        ir = 8 if self.opset <= NEWEST_OF_IR_8 else 10
        imports = f'"" : {self.opset}, "com.microsoft" : 1'
        imports += ', "local" : 1' if self.functions else ""
        extents = [self.batch or str(self.shape[0]), *map(str, self.shape[1:])]
        image = f"{self.dtype}[{', '.join(extents)}] x"
        ends = "float y, float z" if "z = " in self.text else "float y"
        text = f"<ir_version: {ir}, opset_import: [{imports}]>\nform ({image}) => ({ends}) "
        model = parser.parse_model(f"{text}{{ {self.text} }}\n{self.functions}")
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
        for name, value in self.constants.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return model


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> Any:
    return (RANDOM.uniform(0.5, 1.5, size=shape)).astype(np.float32)


def longs(*values: int) -> Any:
    return np.array(values, np.int64)


def number(value: float) -> Any:
    return np.array(value, np.float32)


def form(text: str, opset: int = 17, shape: Any = SHAPE, batch: str = "", **constants: Any) -> Form:
    return Form(text, constants, opset, shape, batch=batch)


FORMS: dict[str, Form] = {}

# -- windows ---------------------------------------------------------------------------------------

KERNEL = normal(4, 6, 3, 3)
for _at in ("pads=[0,1,1,0]", 'auto_pad="SAME_LOWER", strides=[2,3]', "pads=[5,5,5,5]"):
    FORMS[f"Conv {_at}"] = form(f"y = Conv<{_at}>(x, w)", w=KERNEL)
FORMS["Conv of even kernels"] = form("y = Conv<pads=[0,1,1,0]>(x, w)", w=normal(4, 6, 2, 4))
FORMS["Conv in groups, dilated"] = form(
    "y = Conv<group=3, pads=[1,1,1,1], dilations=[2,1]>(x, w)", w=normal(9, 2, 3, 3)
)
FORMS["Conv with more outputs for each input"] = form(
    "y = Conv<group=6, strides=[2,1]>(x, w, b)", w=normal(12, 1, 3, 3), b=normal(12)
)
FORMS["Conv with an empty bias"] = form("y = Conv(x, w, )", w=KERNEL)
for _at in (
    "group=3", "group=6", "dilations=[2,2]", "dilations=[2,1], strides=[2,2]",
    "strides=[2,2], output_padding=[1,1]", "strides=[3,2], output_padding=[1,0], pads=[1,0,1,1]",
    "strides=[2,2], output_shape=[16,18]", 'strides=[2,2], auto_pad="SAME_UPPER"',
    'strides=[2,2], auto_pad="SAME_LOWER"', 'strides=[2,2], auto_pad="VALID"',
    "strides=[1,1], pads=[2,2,2,2]", "strides=[4,4]",
    "strides=[2,2], group=2, pads=[1,1,1,1], output_padding=[1,1]",
):  # fmt: skip
    _groups = int(_at.split("group=")[1][0]) if "group" in _at else 1
    FORMS[f"ConvTranspose {_at}"] = form(
        f"y = ConvTranspose<{_at}>(x, w, b)", w=normal(6, 4, 3, 3), b=normal(4 * _groups)
    )
for _op in ("MaxPool", "AveragePool"):
    for _at in (
        "kernel_shape=[3,3], strides=[2,2], ceil_mode=1",
        "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1",
        "kernel_shape=[2,3], strides=[1,2], pads=[0,1,1,0]",
        'kernel_shape=[3,3], strides=[2,2], auto_pad="SAME_UPPER"',
        'kernel_shape=[2,3], strides=[2,2], auto_pad="SAME_LOWER"',
        "kernel_shape=[3,3], pads=[2,2,2,2], dilations=[2,2]",
    ):
        FORMS[f"{_op} {_at}"] = form(f"y = {_op}<{_at}>(x)", opset=19)
FORMS["AveragePool that counts its padding"] = form(
    "y = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1>(x)"
)
FORMS["MaxPool with indices that nobody reads"] = form(
    "y, i = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)"
)
FORMS["GlobalMaxPool"] = form("y = GlobalMaxPool(x)")
for _mode in ("constant", "reflect", "edge", "wrap"):
    FORMS[f"Pad {_mode}"] = form(
        f'y = Pad<mode="{_mode}">(x, p)', opset=19, p=longs(0, 0, 1, 2, 0, 0, 2, 1)
    )
FORMS["Pad over some axes"] = form(
    "y = Pad(x, p, v, a)", opset=18, p=longs(1, 2, 3, 1), v=number(0.5), a=longs(-2, 3)
)
FORMS["Pad that cuts"] = form("y = Pad(x, p)", p=longs(0, 0, -1, 2, 0, 0, -1, 0))
FORMS["Pad of channels"] = form("y = Pad(x, p)", p=longs(0, 1, 0, 0, 0, 2, 0, 0))

# -- resizing --------------------------------------------------------------------------------------

for _where in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
    for _mode in ("nearest", "linear"):
        for _scales in ((2, 2), (0.5, 0.7), (1.5, 3)):
            FORMS[f"Resize {_mode} {_where} {_scales}"] = form(
                f'y = Resize<mode="{_mode}", coordinate_transformation_mode="{_where}">(x, , s)',
                s=np.float32([1, 1, *_scales]),
            )
for _policy in ("stretch", "not_larger", "not_smaller"):
    for _size in ((16, 20), (5, 4)):
        FORMS[f"Resize {_policy} to {_size}"] = form(
            f'y = Resize<mode="linear", axes=[2,3], keep_aspect_ratio_policy="{_policy}">'
            "(x, , , s)",
            opset=18,
            s=longs(*_size),
        )
FORMS["Resize of opset 10"] = form(
    'y = Resize<mode="linear">(x, s)', opset=10, s=np.float32([1, 1, 2, 2])
)
FORMS["Upsample of opset 9"] = form("y = Upsample(x, s)", opset=9, s=np.float32([1, 1, 2, 2]))
FORMS["Resize to what a shape says"] = form(
    "s = Shape(x) h = Slice(s, from, to) k = Concat<axis=0>(h, size) "
    'y = Resize<mode="linear">(x, , , k)',
    **{"from": longs(0), "to": longs(2), "size": longs(16, 18)},
)

# -- reductions and normalisations -----------------------------------------------------------------

for _op in (
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
):  # fmt: skip
    FORMS[f"{_op} by attribute"] = form(f"y = {_op}<axes=[-1,-2], keepdims=0>(x)", opset=11)
    FORMS[f"{_op} by input"] = form(f"y = {_op}<keepdims=1>(x, a)", opset=18, a=longs(2, 3))
    FORMS[f"{_op} of nothing"] = form(f"y = {_op}<noop_with_empty_axes=1>(x)", opset=18)
FORMS["ReduceLogSum of some axes"] = form("a = Abs(x) y = ReduceLogSum<axes=[1,-1]>(a)")
FORMS["ReduceLogSumExp of what has no exponential"] = form(
    "m = Mul(x, k) y = ReduceLogSumExp<axes=[1], keepdims=0>(m)", k=number(90)
)
for _at, _opset in (("", 23), ("scale=0.3", 23), ("softcap=2.0", 23)):
    FORMS[f"Attention {_at}"] = form(f"y = Attention<{_at}>(x, x, x)".replace("<>", ""), _opset)
FORMS["CenterCropPad, of one axis less and of one more"] = form(
    "c = CenterCropPad<axes=[2,3]>(x, s) y = Relu(c)", 18, s=longs(5, 20)
)
FORMS["RMSNormalization"] = form("y = RMSNormalization<axis=1>(x, k)", 23, k=number(1.5))
_VECTORS = {"g": normal(6), "b": normal(6), "m": normal(6), "v": positive(6)}
FORMS["BatchNormalization first"] = form(
    "n = BatchNormalization(x, g, b, m, v) y = Conv<pads=[1,1,1,1]>(n, w)", w=KERNEL, **_VECTORS
)
FORMS["BatchNormalization behind Relu"] = form(
    "r = Relu(x) y = BatchNormalization(r, g, b, m, v)", **_VECTORS
)
FORMS["InstanceNormalization"] = form(
    "y = InstanceNormalization<epsilon=0.001>(x, g, b)", g=normal(6), b=normal(6)
)
FORMS["LayerNormalization of the last axis"] = form(
    "y = LayerNormalization(x, g, b)", g=normal(9), b=normal(9)
)
FORMS["LayerNormalization of a map"] = form(
    "y = LayerNormalization<axis=1>(x, g, b)", g=normal(6, 8, 9), b=normal(6, 8, 9)
)
FORMS["LayerNormalization of features"] = form(
    "p = GlobalAveragePool(x) f = Flatten(p) y = LayerNormalization(f, g)", g=normal(6)
)
FORMS["LayerNormalization in parts"] = form(
    "m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes=[-1]>(q) "
    "e = Add(v, small) s = Sqrt(e) n = Div(d, s) h = Mul(n, g) y = Add(h, b)",
    two=number(2), small=number(1e-5), g=normal(9), b=normal(9),
)  # fmt: skip
FORMS["GroupNormalization of opset 18"] = form(
    "y = GroupNormalization<num_groups=2>(x, g, b)", opset=18, g=normal(2), b=normal(2)
)
FORMS["GroupNormalization of opset 21"] = form(
    "y = GroupNormalization<num_groups=2>(x, g, b)", opset=21, g=normal(6), b=normal(6)
)
FORMS["GroupNormalization as PyTorch writes it"] = form(
    "r = Reshape(x, apart) i = InstanceNormalization(r, one, zero) n = Reshape(i, whole) "
    "h = Mul(n, g) y = Add(h, b)",
    apart=longs(0, 2, -1), whole=longs(*SHAPE), one=np.ones(2, np.float32),
    zero=np.zeros(2, np.float32), g=normal(6, 1, 1), b=normal(6, 1, 1),
)  # fmt: skip
FORMS["MeanVarianceNormalization"] = form("y = MeanVarianceNormalization<axes=[2,3]>(x)")
FORMS["lengths of 1 as PyTorch writes them"] = form(
    "f = Flatten(x) n = ReduceL2<axes=[1], keepdims=1>(f) k = Clip(n, least, ) s = Shape(f) "
    "e = Expand(k, s) y = Div(f, e)",
    least=number(1e-12),
)
for _opset in (9, 11, 13):
    for _axis in (1, 2, 3):
        for _op in ("Softmax", "LogSoftmax"):
            FORMS[f"{_op} of opset {_opset} over {_axis}"] = form(
                f"y = {_op}<axis={_axis}>(x)", opset=_opset
            )

# -- one and two operands --------------------------------------------------------------------------

for _op in (
    "Abs", "Celu", "Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Neg",
    "Relu", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Tanh", "Atan", "Cos", "Sin",
):  # fmt: skip
    FORMS[_op] = form(f"y = {_op}(x)", opset=18)
for _op in ("Log", "Reciprocal", "Sqrt"):
    FORMS[_op] = form(f"a = Abs(x) p = Add(a, half) y = {_op}(p)", half=number(0.5))
for _exponent in (-2.5, -1, -0.5, 1 / 3, 0.5, 1, 1.5, 2, 2.2, 3, 4, 7):
    FORMS[f"Pow {_exponent}"] = form(
        "a = Abs(x) p = Add(a, half) y = Pow(p, e)", half=number(0.5), e=number(_exponent)
    )
FORMS["Pow of what is below zero"] = form("y = Pow(x, e)", e=np.array(3, np.int64))
FORMS["Gelu"] = form("y = Gelu(x)", opset=20)
FORMS["Gelu of onnxruntime"] = form("y = com.microsoft.Gelu(x)")
FORMS["BiasGelu of onnxruntime"] = form("y = com.microsoft.BiasGelu(x, b)", b=normal(9))
FORMS["FastGelu of onnxruntime, with a bias"] = form(
    "y = com.microsoft.FastGelu(x, b)", b=normal(9)
)
FORMS["Sum of three"] = form("r = Relu(x) n = Neg(x) y = Sum(r, x, n)")
FORMS["Sum of one"] = form("y = Sum(x)")
FORMS["Mean of spread operands"] = form("p = GlobalAveragePool(x) y = Mean(p, c, x)", c=number(2))
FORMS["Min of spread operands"] = form("y = Min(c, v, x)", c=number(0.5), v=normal(6, 1, 1))
FORMS["a constant that spreads a tensor"] = form(
    "p = GlobalAveragePool(x) y = Add(p, k)", k=normal(1, 6, 4, 3)
)
for _first in (
    "Identity(x)",
    "Relu(x)",
    "Sigmoid(x)",
    "MaxPool<kernel_shape=[2,2]>(x)",
    "Add(x, x)",
):
    FORMS[f"{_first} between bounds that cross"] = form(
        f"m = {_first} y = Clip(m, one, low)", one=number(1), low=number(-1)
    )
    FORMS[f"{_first} between bounds below it"] = form(
        f"m = {_first} r = Relu(m) y = Clip(r, lowest, low)", lowest=number(-5), low=number(-1)
    )
FORMS["Clip without a lower bound"] = form("y = Clip(x, , b)", b=number(0.5))

# -- matrices --------------------------------------------------------------------------------------

FORMS["Gemm by alpha and beta"] = form(
    "f = Flatten(x) y = Gemm<alpha=0.5, beta=2.0, transB=1>(f, w, b)",
    w=normal(5, 432) / 20, b=normal(5),
)  # fmt: skip
FORMS["Gemm without its bias"] = form(
    "f = Flatten(x) y = Gemm<beta=0.0>(f, w, b)", w=normal(432, 5) / 20, b=normal(5)
)
FORMS["Gemm turned on the left"] = form("f = Flatten(x) y = Gemm<transA=1>(f, w)", w=normal(1, 5))
FORMS["Gemm with the constant on the left"] = form(
    "f = Flatten(x) y = Gemm<transA=1, transB=1>(w, f, b)", w=normal(432, 5) / 20, b=normal(5, 1)
)
FORMS["MatMul with the constant on the left"] = form("y = MatMul(w, x)", w=normal(5, 8))
FORMS["MatMul of maps"] = form("y = MatMul(x, w)", w=normal(9, 5))
FORMS["MatMul with a stack of constants"] = form("y = MatMul(x, w)", w=normal(6, 9, 5))
FORMS["MatMul with a stack of constants on the left"] = form("y = MatMul(w, x)", w=normal(6, 5, 8))
FORMS["MatMul of one map with a stack of constants"] = form(
    "f = Flatten(x) y = MatMul(f, w)", w=normal(3, 432, 5) / 20
)
FORMS["MatMul of a stack of constants with one matrix"] = form(
    "f = Flatten<axis=2>(x) y = MatMul(w, f)", w=normal(3, 2, 4, 6)
)
FORMS["MatMul of a batch of one"] = form(
    "f = Flatten(x) y = MatMul(f, w)", w=normal(1, 432, 5) / 20
)
FORMS["MatMul with a vector"] = form("f = Flatten(x) y = MatMul(f, w)", w=normal(432) / 20)
for _axis in (0, 1, 2, 3, 4, -1, -2):
    FORMS[f"Flatten from {_axis}"] = form(f"y = Flatten<axis={_axis}>(x)")
FORMS["Flatten from 2, then a matrix"] = form(
    "f = Flatten<axis=2>(x) y = MatMul(f, w)", w=normal(72, 5) / 9
)

# -- parts and shapes ------------------------------------------------------------------------------

for _axis, _shape in ((1, (1, 2, 8, 9)), (2, (1, 6, 3, 9)), (3, (1, 6, 8, 1))):
    for _operands in ("x, k", "k, x", "k, x, k, x, x"):
        FORMS[f"Concat of {_operands} along axis {_axis}"] = form(
            f"t = Tanh(x) y = Concat<axis={_axis}>({_operands.replace('x, x', 'x, t')})",
            k=normal(*_shape),
        )
FORMS["Concat of a token with a sequence"] = form(
    "r = Reshape(x, s) t = Transpose<perm=[0,2,1]>(r) y = Concat<axis=1>(k, t)",
    s=longs(1, 6, 72),
    k=normal(1, 1, 6),
)
FORMS["Split into equal parts"] = form(
    "a, b = Split<axis=1, num_outputs=2>(x) y = Sub(b, a)", opset=18
)
FORMS["Split by sizes"] = form("a, b = Split<axis=1>(x, s) y = Concat<axis=1>(b, a)", s=longs(2, 4))
FORMS["Slice backwards"] = form(
    "y = Slice(x, a, b, i, s)", a=longs(-1), b=longs(-9999), i=longs(3), s=longs(-2)
)
FORMS["Gather one"] = form("y = Gather<axis=1>(x, i)", i=np.array(-1))
FORMS["channels mixed"] = form(
    "r = Reshape(x, apart) t = Transpose<perm=[0,2,1,3,4]>(r) y = Reshape(t, whole)",
    apart=longs(1, 2, 3, 8, 9), whole=longs(*SHAPE),
)  # fmt: skip
FORMS["a batch that is read from the image"] = form(
    "s = Shape(x) g = Gather<axis=0>(s, i) u = Unsqueeze(g, a) c = Concat<axis=0>(u, m) "
    "y = Reshape(x, c)",
    batch="N", i=np.array(0), a=longs(0), m=longs(-1),
)  # fmt: skip
FORMS["the first extent alone"] = form(
    "s = Shape<start=0, end=1>(x) c = Concat<axis=0>(s, m) y = Reshape(x, c)",
    batch="N",
    m=longs(-1),
)
FORMS["a shape that Where completes"] = form(
    "s = Shape(x) q = Equal(s, m) o = ConstantOfShape<value = int64[1] {1}>(n) w = Where(q, o, s) "
    "e = Expand(k, w) y = Add(x, e)",
    m=longs(-1, -1, -1, -1), n=longs(4), k=normal(1, 6, 1, 1),
)  # fmt: skip
FORMS["half an extent, rounded down"] = form(
    "s = Shape(x) f = Cast<to=1>(s) d = Div(f, two) r = Floor(d) k = Cast<to=7>(r) "
    "h = Slice(k, a, b) c = Concat<axis=0>(front, h) y = Resize(x, , , c)",
    two=number(2), a=longs(2), b=longs(4), front=longs(1, 6),
)  # fmt: skip
FORMS["an extent put into a shape"] = form(
    "s = Shape(x) n = ScatterND(s, i, v) y = Reshape(x, n)",
    i=np.array([[2], [3]]), v=longs(72, 1),
)  # fmt: skip
FORMS["paddings that each compute their own sizes, as timm has TensorFlow's SAME"] = form(
    " ".join(
        f"s{i} = Shape(x{i}) f{i} = Cast<to=1>(s{i}) h{i} = Slice(f{i}, from, to) "
        f"d{i} = Div(h{i}, two) u{i} = Ceil(d{i}) v{i} = Sub(u{i}, one) m{i} = Mul(v{i}, two) "
        f"k{i} = Add(m{i}, three) o{i} = Sub(k{i}, h{i}) c{i} = Clip(o{i}, zero, ) "
        f"w{i} = Cast<to=7>(c{i}) p{i} = Concat<axis=0>(none, none, none, w{i}) "
        f"q{i} = Pad(x{i}, p{i}) x{i + 1} = Conv<strides=[2,2]>(q{i}, w)"
        for i in range(3)
    ).replace("Shape(x0)", "Shape(x)").replace("Pad(x0,", "Pad(x,").replace("x3 =", "y ="),
    w=normal(6, 6, 3, 3) / 5, one=number(1), two=number(2), three=number(3), zero=number(0),
    none=longs(0, 0), **{"from": longs(2), "to": longs(4)},
)  # fmt: skip
FORMS["how many values there are"] = form("s = Size(x) f = Cast<to=1>(s) y = Div(x, f)")
FORMS["numbers in a row"] = form(
    "s = Shape(x) g = Gather<axis=0>(s, i) r = Range(zero, g, one) f = Cast<to=1>(r) y = Add(x, f)",
    i=np.array(3), zero=np.array(0), one=np.array(1),
)  # fmt: skip
FORMS["Constant with a float"] = form("k = Constant<value_float=2.0>() y = Mul(x, k)")
FORMS["Constant with integers"] = form("k = Constant<value_ints=[1,-1]>() y = Reshape(x, k)")
FORMS["Dropout with a mask that nobody reads"] = form("d, m = Dropout(x) y = Relu(d)")
FORMS["an output that is read on"] = form("y = Relu(x) z = Conv(y, w)", w=KERNEL)

# -- branches and functions ------------------------------------------------------------------------

FORMS["If of a constant"] = form(
    "y = If(k) <then_branch = a () => (float[N] t) { t = Relu(x) }, "
    "else_branch = b () => (float[N] e) { e = Neg(x) }>",
    k=np.array(False),
)
FORMS["If of a shape, as PyTorch squeezes"] = form(
    "s = Shape(x) g = Gather(s, i) q = Equal(g, one) "
    "r = If(q) <then_branch = a () => (float[N] t) { t = Squeeze(x, i) }, "
    "else_branch = b () => (float[N] e) { e = Identity(x) }> y = Relu(r)",
    shape=(1, 1, 8, 9), i=longs(1), one=longs(1),
)  # fmt: skip
FORMS["If inside of If"] = form(
    "y = If(k) <then_branch = a () => (float[N] t) { "
    "t = If(k) <then_branch = c () => (float[N] u) { v = Neg(x) u = Relu(v) }, "
    "else_branch = d () => (float[N] w) { w = Relu(x) }> }, "
    "else_branch = b () => (float[N] e) { e = Neg(x) }>",
    k=np.array(True),
)
FORMS["local functions"] = Form(
    "a = local.block(x, w) y = local.scaled<by=0.5>(a)",
    {"w": KERNEL},
    functions=(
        '<opset_import: ["" : 17, "local" : 1], domain: "local">\n'
        "block (p, w) => (q) { t = Conv(p, w) q = local.act(t) }\n"
        '<opset_import: ["" : 17], domain: "local">\n'
        "act (p) => (q) { q = Relu(p) }\n"
        '<opset_import: ["" : 17], domain: "local">\n'
        "scaled <by>(p) => (q) { k = Constant<value_float: float = @by>() q = Mul(p, k) }"
    ),
)

# -- integers --------------------------------------------------------------------------------------

_X = {"xs": number(0.0507317), "xz": np.uint8(120)}
_Y = {"ys": number(0.61871), "yz": np.uint8(110)}
_IN = "xq = QuantizeLinear(x, xs, xz) a = DequantizeLinear(xq, xs, xz) "
_OUT = " yq = QuantizeLinear(c, ys, yz) y = DequantizeLinear(yq, ys, yz)"


def quantised(text: str, **constants: Any) -> Form:
    return Form(f"{_IN}{text}{_OUT}", {**_X, **_Y, **constants}, steps=1)


_INT8 = RANDOM.integers(-127, 128, (4, 6, 3, 3)).astype(np.int8)
FORMS["weights with a scale for each input channel"] = quantised(
    "w = DequantizeLinear<axis=1>(wq, ws, wz) c = Conv(a, w)",
    wq=_INT8, ws=positive(6) * 0.01, wz=np.zeros(6, np.int8),
)  # fmt: skip
FORMS["a matrix with a scale for each row"] = quantised(
    "w = DequantizeLinear<axis=0>(wq, ws, wz) f = Flatten(a) c = MatMul(f, w)",
    wq=RANDOM.integers(-127, 128, (432, 5)).astype(np.int8), ws=positive(432) * 0.01,
    wz=np.zeros(432, np.int8),
)  # fmt: skip
FORMS["weights of unsigned integers, each channel with its own zero"] = quantised(
    "w = DequantizeLinear<axis=0>(wq, ws, wz) c = Conv(a, w)",
    wq=(_INT8.astype(int) + 128).astype(np.uint8), ws=positive(4) * 0.01,
    wz=np.uint8([3, 128, 200, 131]),
)  # fmt: skip
FORMS["weights that the file keeps as floats"] = quantised(
    "wq = QuantizeLinear<axis=0>(wf, ws, wz) w = DequantizeLinear<axis=0>(wq, ws, wz) "
    "c = Conv(a, w)",
    wf=KERNEL * 0.3, ws=positive(4) * 0.01, wz=np.zeros(4, np.int8),
)  # fmt: skip
FORMS["grouped transposed convolutions of integers"] = quantised(
    "w = DequantizeLinear(wq, ws, wz) c = ConvTranspose<group=2, strides=[2,2]>(a, w)",
    wq=RANDOM.integers(-127, 128, (6, 2, 3, 3)).astype(np.int8), ws=number(0.0119), wz=np.int8(3),
)  # fmt: skip
FORMS["weights in blocks"] = Form(
    "w = DequantizeLinear<axis=1, block_size=3>(wq, ws) y = Conv(x, w)",
    {"wq": _INT8, "ws": positive(4, 2, 3, 3) * 0.01},
    opset=21,
)
FORMS["an image of unsigned integers"] = Form(
    "f = Cast<to=1>(x) d = Div(f, k) y = Conv(d, w)", {"k": number(255), "w": KERNEL}, dtype="uint8"
)
FORMS["an image of unsigned integers, channels last"] = Form(
    "t = Transpose<perm=[0,3,1,2]>(x) f = Cast<to=1>(t) y = Conv(f, w)",
    {"w": KERNEL / 100},
    shape=(1, 8, 9, 6),
    dtype="uint8",
)
# -- parts at places that are constants ------------------------------------------------------------

for _opset, _axis in ((11, 1), (13, -1), (18, 2)):
    FORMS[f"GatherElements along {_axis}"] = form(
        f"y = GatherElements<axis={_axis}>(x, i)", _opset,
        i=RANDOM.integers(-6, 6, (1, 5, 7, 4)).astype(np.int64),
    )  # fmt: skip
for _count, _last in ((1, 1), (5, 2), (7, 3), (9, 4)):
    FORMS[f"GatherND of {_last} axes"] = form(
        "y = GatherND(x, i)", 17,
        i=np.stack([RANDOM.integers(-e, e, (2, _count)) for e in SHAPE[:_last]], -1),
    )  # fmt: skip
FORMS["GatherND behind the batch"] = form(
    "y = GatherND<batch_dims=1>(x, i)", 17, i=RANDOM.integers(0, 6, (1, 4, 2))
)
FORMS["what is above the diagonal, as torch's dynamo takes it"] = form(
    "f = Reshape(x, s) m = MatMul(f, t) p = Transpose<perm=[1,2,0]>(m) y = GatherND(p, i)", 18,
    s=longs(1, 6, 72), t=normal(72, 6), i=np.stack(np.triu_indices(6), -1),
)  # fmt: skip
for _upper in (0, 1):
    for _number in (-9, -1, 0, 2, 8):
        FORMS[f"Trilu upper={_upper} from {_number}"] = form(
            f"y = Trilu<upper={_upper}>(x, k)", 17, k=np.int64(_number)
        )
FORMS["Trilu without a number"] = form("y = Trilu<upper=0>(x)", 14)
