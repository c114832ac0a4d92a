from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from muledetect.errors import DataError
from muledetect.evaluation import compare_rings, value_recall


def rings(**members: str) -> pd.DataFrame:
    rows = [(ring, account) for ring, accounts in members.items() for account in accounts]
    return pd.DataFrame(rows, columns=["ring_id", "account_id"])


def test_equal_rings_fit_perfectly_whatever_they_are_called() -> None:
    found = compare_rings(rings(x="cd", y="ab"), pa.Table.from_pandas(rings(p="ab", q="cd")))
    assert found.bcubed_f1 == found.pairwise_f1 == found.adjusted_rand == found.purity == 1.0
    assert (found.ring_recall, found.ring_precision, found.n_true, found.n_found) == (1.0, 1.0, 2, 2)


def test_a_ring_that_was_split_and_one_that_was_mixed() -> None:
    # true: abcd, ef.  found: abc, def.
    found = compare_rings(rings(x="abc", y="def"), rings(p="abcd", q="ef"))
    # B-cubed precision: a, b, c 1; d 1/3; e, f 2/3 -> (3 + 1/3 + 4/3) / 6 = 7/9
    assert found.bcubed_precision == pytest.approx(7 / 9)
    # recall: a, b, c 3/4; d 1/4; e, f 1 -> (9/4 + 1/4 + 2) / 6 = 3/4
    assert found.bcubed_recall == pytest.approx(3 / 4)
    # pairs found 6, true 7, both: ab ac bc ef = 4
    assert found.pairwise_precision == pytest.approx(4 / 6)
    assert found.pairwise_recall == pytest.approx(4 / 7)
    # Jaccard: abc of abcd 3/4; def of ef 2/3
    assert found.ring_recall == found.ring_precision == 1.0
    assert found.purity == pytest.approx(5 / 6)


def test_an_account_in_no_ring_is_alone() -> None:
    # true: ab. found: bc. Of a, b, c: precision 1, 1/2, 1/2; recall 1/2, 1/2, 1
    found = compare_rings(rings(x="bc"), rings(p="ab"))
    assert found.bcubed_precision == pytest.approx(2 / 3)
    assert found.bcubed_recall == pytest.approx(2 / 3)
    assert found.ring_recall == 0.0  # Jaccard 1/3
    assert found.purity == 0.5


def test_a_ring_and_an_account_of_one_name_are_not_mixed_up() -> None:
    found = compare_rings(rings(a="bc"), rings(p="ab"))
    assert found.bcubed_precision == pytest.approx(2 / 3)


def test_an_account_in_several_rings_counts_for_the_largest() -> None:
    found = compare_rings(rings(x="ab", y="bcd"), rings(p="bcd"))
    assert found.ring_recall == 1.0
    assert found.n_found == 2


def test_an_account_in_several_rings_counts_where_it_belongs_most_firmly() -> None:
    table = pd.DataFrame(
        {"ring_id": ["x", "x", "y", "y", "y"], "account_id": list("abbcd"), "membership": [1, 0.9, 0.4, 1, 1]}
    )
    assert compare_rings(table, rings(p="ab")).ring_recall == 1.0


def test_value_recall_pairs_rings_one_to_one() -> None:
    true = pd.DataFrame({"ring_id": list("ppqq"), "account_id": list("abcd"), "value": [60, 20, 15, 5]})
    assert value_recall(rings(x="abcd"), true) == 0.8  # one ring for both: it answers for the larger
    assert value_recall(rings(x="ab", y="c"), true) == 0.95
    assert value_recall(rings(x="ab", y="c"), true, shown=["y"]) == 0.15
    assert value_recall(rings(x="zz"), true) == 0.0


def test_members_that_the_bank_cannot_see_do_not_count() -> None:
    found = compare_rings(rings(x="ab"), rings(p="abzz", q="zy"), visible="ab")
    assert (found.bcubed_f1, found.n_true) == (1.0, 1)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to compare"):
        compare_rings(rings(), rings())
    with pytest.raises(DataError, match="lacks"):
        compare_rings(pd.DataFrame({"ring": []}), rings(p="ab"))
