"""Row kernels for WebAssembly, of 128 bits where there is SIMD."""

from __future__ import annotations

from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.simd_family import SimdFamily
from edgemnv2.schedules.wasm.add import add_kernel
from edgemnv2.schedules.wasm.convolution import CONV2D, POINTWISE
from edgemnv2.schedules.wasm.depthwise import DEPTHWISE
from edgemnv2.schedules.wasm.isa import isa_of

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]

KINDS = {
    "pointwise": POINTWISE,
    "conv2d": CONV2D,
    "depthwise": DEPTHWISE,
    "add": LayerKind(add_kernel),
}
FAMILY = SimdFamily(KINDS, lambda target: (isa_of(target),))
layouts, space = FAMILY.layouts, FAMILY.space
default, row_kernel = FAMILY.default, FAMILY.row_kernel
fused_kernel = FAMILY.fused_kernel
