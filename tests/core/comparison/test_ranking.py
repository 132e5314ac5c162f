"""Ranks, Friedman's test and Nemenyi's difference against SciPy."""

import pytest
import torch
from scipy import stats

from equipoise.comparison.ranking import average_ranks, nemenyi, ranking, studentized_range


@pytest.mark.parametrize("shape", [(3, 3), (10, 5), (23, 25)])
@pytest.mark.parametrize("levels", [3, 1000])
def test_friedman_equals_scipy(shape, levels):
    values = torch.randint(levels, shape, generator=torch.Generator().manual_seed(0)).double()
    found = ranking([str(i) for i in range(shape[1])], values.tolist())
    expected = stats.friedmanchisquare(*values.T.numpy())
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_ties_share_their_rank():
    values = torch.tensor([[0.3, 0.1, 0.3, 0.2], [1.0, 1.0, 1.0, 1.0]])
    assert average_ranks(values).tolist() == stats.rankdata(values.numpy(), axis=1).tolist()


@pytest.mark.parametrize("rows", [2, 3, 10, 25])
@pytest.mark.parametrize("probability", [0.9, 0.95, 0.99])
def test_the_studentized_range_equals_scipy(rows, probability):
    # SciPy warns about infinite degrees of freedom for none of these.
    expected = stats.studentized_range.ppf(probability, rows, float("inf"))
    assert studentized_range(probability, rows) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("rows", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_equals_the_published_table(rows, q):
    """Demšar (2006), table 5a."""
    assert nemenyi(rows, 20) == pytest.approx(q * (rows * (rows + 1) / 120) ** 0.5, rel=5e-4)


def test_two_rows_or_one_block_have_no_test():
    assert ranking(["a", "b"], [[1.0, 2.0]] * 5).p_value != ranking(["a", "b"], [[1.0, 2.0]] * 5).p_value
    assert ranking(["a", "b", "c"], [[1.0, 2.0, 3.0]]).ranks == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert ranking([], [[], []]).ranks == {}
