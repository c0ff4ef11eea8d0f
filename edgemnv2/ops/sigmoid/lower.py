"""Sigmoid: from the source's terms to layers."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.sigmoid.layer import Sigmoid
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "arrange", "integer", "lower"]

NODES = ("sigmoid",)
FURTHEST_EXP = 88.0
"""Beyond, `exp` is infinite in float32."""


def lower(node: Node, to: Lowering) -> None:
    """The sigmoid of floats."""
    to.add(Sigmoid(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, as LiteRT's LOGISTIC."""
    integer_unary(Sigmoid, site, to, _sigmoid)


def _sigmoid(x: float) -> float:
    """LiteRT rounds to float32 after each step, which decides about values next to a half."""
    one = np.float32(1.0)
    e = np.float32(math.exp(-x)) if x > -FURTHEST_EXP else np.float32(np.inf)
    return float(one / (one + e))
