"""Parts of splits by name."""

import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.slices import SlicedDataset, parse_slice
from tests.support.tiny import TinyDataset


class Unsorted(TinyDataset):
    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.readers: dict = {}
        self.names = tuple(reversed(self.names))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("val", None), ("train[:80%]", ("train", 0, 80)), ("a[b][20%:30%]", ("a[b]", 20, 30)), ("x[80]", None)],
)
def test_names_of_parts(name, expected):
    assert parse_slice(name) == expected


@pytest.mark.parametrize("name", ["train[80%:20%]", "train[:0%]", "train[5%:101%]"])
def test_percentages_out_of_order_are_refused(name):
    with pytest.raises(DataError, match=r"expected a part of a split such as train\[:80%\], found"):
        parse_slice(name)


@pytest.mark.parametrize("count", [1, 5, 10, 33])
def test_parts_are_apart_complete_and_in_the_order_of_names(count):
    whole = Unsorted(count)
    parts = [SlicedDataset(whole, 0, 60)] if count > 1 else []
    parts.append(SlicedDataset(whole, 60 if count > 1 else 0, 100))
    names = [name for part in parts for name in part.names]
    assert names == sorted(whole.names)
    for part in parts:
        assert [part[index].name for index in range(len(part))] == [
            whole[whole.names.index(name)].name for name in part.names
        ]
    assert len({part.fingerprint() for part in parts}) == len(parts)


def test_an_empty_part_is_refused():
    with pytest.raises(DataError, match="of a split of 3 images, found none"):
        SlicedDataset(Unsorted(3), 0, 10)
