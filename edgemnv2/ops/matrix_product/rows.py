"""Rows of products of matrices: each row is a matrix; an only one is every row's."""

from edgemnv2.ops.binary.rows import rows

__all__ = ["rows"]
