"""What must hold of a trigonometric layer."""

from edgemnv2.ops.checks import expect_same_shape as check

__all__ = ["check"]
