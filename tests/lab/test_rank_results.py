"""Ranks are Spearman's, and the table says what was correlated."""

from __future__ import annotations

import pytest

from edgemnv2.lab.rank_results import rank_correlation, ranks_table


def test_only_the_order_counts_and_equal_values_share_a_rank() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    # Ranks 1, 2.5, 2.5, 4 beside 1, 2, 3, 4.
    assert rank_correlation([0, 5, 5, 9], [1, 2, 3, 4]) == pytest.approx(0.9486833)


def test_both_metrics_stand_in_a_line() -> None:
    row = {"network": "1.0-224", "dtype": "int8", "target": "x86-64-v3", "layers": 9}
    figures = {"cycles": 0.9, "cycles_per_mac": 0.8}
    more = {"instructions": 0.7, "instructions_per_mac": 0.6}
    assert ranks_table([row | figures | more])[-1] == (
        "| 1.0/224 int8 | x86-64-v3 | 9 | 0.900, **0.800** | 0.700, **0.600** |"
    )
