"""The label files of generated streets."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.damaged import Truth


def read_truths(root: Path, split: str = "val") -> list[Truth]:
    """The truth of every image of a split, in the order of their names."""
    return [
        Truth(
            labels=np.array(Image.open(path)),
            instances=np.array(Image.open(str(path).replace("labelIds", "instanceIds"))).astype(np.uint16),
        )
        for path in sorted((root / "gtFine" / split).glob("*/*_labelIds.png"))
    ]
