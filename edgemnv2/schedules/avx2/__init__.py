"""Row kernels for x86-64 processors with AVX2 and FMA."""

from __future__ import annotations

from edgemnv2.schedules.avx2.add import add_kernel
from edgemnv2.schedules.avx2.conv2d import CONV2D
from edgemnv2.schedules.avx2.depthwise import DEPTHWISE
from edgemnv2.schedules.avx2.pointwise import POINTWISE
from edgemnv2.schedules.simd_family import SimdFamily

__all__ = ["default", "layouts", "row_kernel", "space"]

FAMILY = SimdFamily(POINTWISE, CONV2D, DEPTHWISE, add_kernel)
layouts, space = FAMILY.layouts, FAMILY.space
default, row_kernel = FAMILY.default, FAMILY.row_kernel
