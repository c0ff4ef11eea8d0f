"""Row kernels for x86-64 processors with AVX2 and FMA."""

from __future__ import annotations

from edgemnv2.schedules.avx2.add import add_kernel
from edgemnv2.schedules.avx2.conv2d import conv2d_kernel, conv2d_space, default_conv2d
from edgemnv2.schedules.avx2.depthwise import (
    default_depthwise,
    depthwise_kernel,
    depthwise_space,
)
from edgemnv2.schedules.avx2.pointwise import (
    default_pointwise,
    pointwise_kernel,
    pointwise_space,
)
from edgemnv2.schedules.simd_family import LayerKind, SimdFamily

__all__ = ["default", "layouts", "row_kernel", "space"]

FAMILY = SimdFamily(
    pointwise=LayerKind(pointwise_space, default_pointwise, pointwise_kernel),
    conv2d=LayerKind(conv2d_space, default_conv2d, conv2d_kernel),
    depthwise=LayerKind(depthwise_space, default_depthwise, depthwise_kernel),
    add=add_kernel,
)
layouts, space = FAMILY.layouts, FAMILY.space
default, row_kernel = FAMILY.default, FAMILY.row_kernel
