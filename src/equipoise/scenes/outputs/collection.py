"""The JSON files about all images of one call, beside the folders of their predictions."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from equipoise.errors import RunError
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.predictions import listed
from equipoise.scenes.outputs.instances import IMAGES, RESULTS
from equipoise.scenes.outputs.output import Contents, Entry, Output
from equipoise.scenes.outputs.panoptic import JSON
from equipoise.scenes.outputs.writer import Written, expect_free, write_record

NAME = "predictions"
RESERVED = frozenset({NAME, *(file.removesuffix(".json") for file in (IMAGES, RESULTS, JSON))})
"""Names that predictions of images must not have, since files about all images have them."""


class Collection:
    """Collects the records of predictions and writes the files about all of them, listed in ``predictions.json``.

    Args:
        folder: of the predictions.
        outputs: what is written.
        contents: what the scenes hold.
        overwrite: replace the files of an earlier call.
    """

    def __init__(self, folder: Path, outputs: Sequence[Output], contents: Contents, *, overwrite: bool) -> None:
        self.folder, self.outputs, self.contents, self.overwrite = folder, outputs, contents, overwrite
        self.entries: list[Entry] = []
        self.sigma: dict[str, Any] = {}

    @property
    def needed(self) -> bool:
        """Whether any output has files about all images."""
        return any(output.joint([], self.contents) for output in self.outputs)

    def prepare(self, names: Iterable[str]) -> None:
        """Check that the files can be written; remove earlier ones that list any of these names if they are replaced.

        Raises:
            RunError: the files exist.
        """
        record = self.folder / f"{NAME}.json"
        files = {file for output in self.outputs for file in output.joint([], self.contents)}
        earlier = listed(record) if self.overwrite else []
        if self.needed:
            places = [self.folder / file for file in (*sorted(files), record.name)]
            expect_free(places, set(earlier) if self.overwrite else None)
        elif not earlier or set(_names(record)).isdisjoint(names):
            return
        try:
            for file in earlier:
                (self.folder / file).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{error.filename}: expected to replace it, found: {error.strerror}") from None

    def add(self, name: str, file_name: str, facts: dict[str, Any]) -> None:
        """Add a prediction by its record."""
        if self.needed:
            self.sigma = facts["sigma"]
            kept = {output.name: facts[output.name] for output in self.outputs if output.name in facts}
            size = (facts["height"], facts["width"])
            self.entries.append(Entry(name=name, file_name=file_name, size=size, facts=kept))

    def write(self) -> Written | None:
        """Write the files; ``None`` if there are none to write."""
        if not self.needed:
            return None
        made = {
            file: value for output in self.outputs for file, value in output.joint(self.entries, self.contents).items()
        }
        files: dict[str, Callable[[], bytes]] = {file: _encoded(value) for file, value in made.items()}
        names = [entry.name for entry in self.entries]
        facts = {"format": 1, "sigma": self.sigma, "names": names, "files": list(files)}
        return write_record(self.folder, NAME, files, facts, overwrite=self.overwrite)


def _names(record: Path) -> list[str]:
    """The names of the predictions that a record of an earlier call lists."""
    if not path_exists(record):
        return []
    names = read_json(record).get("names", [])
    return [name for name in names if isinstance(name, str)]


def _encoded(value: Any) -> Callable[[], bytes]:
    return lambda: (json.dumps(value) + "\n").encode()
