"""Row kernels for x86-64 processors with AVX2 and FMA."""

from __future__ import annotations

from edgemnv2.schedules.arg_max import arg_max_kernel
from edgemnv2.schedules.avx2.add import add_kernel
from edgemnv2.schedules.avx2.conv2d import CONV2D
from edgemnv2.schedules.avx2.depthwise import DEPTHWISE
from edgemnv2.schedules.avx2.pointwise import POINTWISE
from edgemnv2.schedules.avx2.simd import Maxima
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.resize import resize_kernel
from edgemnv2.schedules.simd_family import SimdFamily

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]

KINDS = {
    "pointwise": POINTWISE,
    "conv2d": CONV2D,
    "depthwise": DEPTHWISE,
    "add": LayerKind(lambda graph, layer, decisions: add_kernel(graph, layer)),
    "argmax": LayerKind(lambda graph, layer, decisions: arg_max_kernel(graph, layer, Maxima())),
    "resize": LayerKind(lambda graph, layer, decisions: resize_kernel(graph, layer)),
}
FAMILY = SimdFamily(KINDS)
layouts, space = FAMILY.layouts, FAMILY.space
default, row_kernel = FAMILY.default, FAMILY.row_kernel
fused_kernel = FAMILY.fused_kernel
