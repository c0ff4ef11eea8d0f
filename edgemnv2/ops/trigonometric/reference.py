"""Sine, cosine, arctangent in NumPy."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.unary import unary_reference

__all__ = ["run"]

FUNCTIONS = {"atan": np.arctan, "cos": np.cos, "sin": np.sin}

run = unary_reference(lambda x, layer: FUNCTIONS[layer.mode](x))
