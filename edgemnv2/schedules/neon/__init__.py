"""Row kernels for Arm cores with NEON: AArch64 (with and without dot products) and Armv7."""

from __future__ import annotations

from edgemnv2.schedules.arg_max import arg_max_kernel
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.neon.add import add_kernel
from edgemnv2.schedules.neon.conv2d import CONV2D
from edgemnv2.schedules.neon.depthwise import DEPTHWISE
from edgemnv2.schedules.neon.isa import Maxima, isa_of
from edgemnv2.schedules.neon.pointwise import POINTWISE
from edgemnv2.schedules.resize import resize_kernel
from edgemnv2.schedules.simd_family import SimdFamily

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]

KINDS = {
    "pointwise": POINTWISE,
    "conv2d": CONV2D,
    "depthwise": DEPTHWISE,
    "add": LayerKind(lambda graph, layer, isa, decisions: add_kernel(graph, layer, isa)),
    "argmax": LayerKind(
        lambda graph, layer, isa, decisions: arg_max_kernel(graph, layer, Maxima(isa.arm64))
    ),
    "resize": LayerKind(lambda graph, layer, isa, decisions: resize_kernel(graph, layer)),
}
FAMILY = SimdFamily(KINDS, arguments=lambda target: (isa_of(target),))
layouts, space = FAMILY.layouts, FAMILY.space
default, row_kernel = FAMILY.default, FAMILY.row_kernel
fused_kernel = FAMILY.fused_kernel
