"""Row kernels for Cortex-M with MVE (Helium): M55, M85, which run those of the DSP extension."""

from __future__ import annotations

from edgemnv2.schedules.dsp import default, layouts, row_kernel, space

__all__ = ["default", "layouts", "row_kernel", "space"]
