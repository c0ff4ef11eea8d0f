"""Integer operators of TFLite that write one scale only: another is a rescale behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rescale.layer import Rescale

__all__ = ["add_with_output"]


def add_with_output(
    site: Site, to: Lowering, fixed: QuantParams, layer: Callable[..., Layer], **fields: Any
) -> None:
    """The layer, whose output is quantised by `fixed`, and what brings it to the place's own."""
    limits = np.iinfo(site.dtype)
    if site.y == fixed and site.clamp == (limits.min, limits.max):
        to.add(layer(**site.common, **fields))
        return
    inner = f"{site.name}.{layer.__name__.lower()}"
    to.tensors[inner] = replace(to.tensors[site.name], name=inner, quant=fixed)
    to.add(layer(name=inner, inputs=site.inputs, output=inner, **fields))
    factor = to.arithmetic.rescale_requantize(fixed, site.y)
    to.add(Rescale(site.name, (inner,), site.name, requantize=factor, clamp=site.clamp))
