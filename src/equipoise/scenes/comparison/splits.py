"""Training, validation and test data apart: what is trained on, what chooses, and what figures are reported on."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from equipoise.errors import RecipeError
from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.settings import SetRecipe
from equipoise.scenes.data.slices import parse_slice
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.wording import counted


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The recipe with the splits to train and to choose on, and by data set the one to report on."""

    recipe: Recipe
    test: Mapping[str, str]

    def sentence(self, name: str = "data") -> str:
        """Say which part of a data set serves for what."""
        given = self.recipe.sets[name]
        return (
            f"trained on {given.train}, checkpoints and candidates chosen on {given.validation}, figures from "
            f"{self.test[name]}"
        )


def apart(recipe: Recipe, settings: ComparisonRecipe, where: str) -> Splits:
    """Return the splits of a comparison, by the rule that ``ComparisonRecipe`` states.

    Raises:
        RecipeError: the recipe does not allow it.
    """
    sets = {name: _apart(name, given, settings, where) for name, given in recipe.sets.items()}
    data, *_ = [one for one, _ in sets.values()]
    also = {name: one for name, (one, _) in sets.items() if name != "data"}
    changed = dataclasses.replace(recipe, data=data, also=also)  # type: ignore[arg-type]
    return Splits(recipe=changed, test={name: test for name, (_, test) in sets.items()})


def _apart(name: str, given: SetRecipe, settings: ComparisonRecipe, where: str) -> tuple[SetRecipe, str]:
    if settings.test:
        found = (given.train, given.validation, settings.test)
        if len(set(found)) < 3:
            raise RecipeError(
                f"{where}: comparison.test: expected three different splits to train, choose and report on, found "
                f"{', '.join(found)} ({name})"
            )
        return given, settings.test
    if given.train == given.validation or any(parse_slice(split) for split in (given.train, given.validation)):
        raise RecipeError(
            f"{where}: comparison.test: expected the split to report on, since {name} trains on {given.train!r} and "
            f"chooses on {given.validation!r}, found none: name one"
        )
    kept = 100 - settings.held_out
    chosen = dataclasses.replace(given, train=f"{given.train}[:{kept}%]", validation=f"{given.train}[{kept}%:]")
    return chosen, given.validation


def expect_apart(splits: Splits, data: RecipeData, where: str) -> dict[str, int]:
    """Return the number of images by purpose.

    Raises:
        RecipeError: two splits share an image.
    """
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for name, given in splits.recipe.sets.items():
        named = {"train": given.train, "validation": given.validation, "test": splits.test[name]}
        images = {purpose: _images(data, name, split) for purpose, split in named.items()}
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            if shared := images[one] & images[other]:
                raise RecipeError(
                    f"{where}: comparison.test: expected splits without common images, found "
                    f"{counted(len(shared), 'image')} of {named[one]} in {named[other]} ({name}), such as "
                    f"{min(shared)}: name other splits"
                )
        counts = {purpose: count + len(images[purpose]) for purpose, count in counts.items()}
    return counts


def _images(data: RecipeData, name: str, split: str) -> set[Path]:
    files = data.files(name, split)
    return {files.files(index)["image"].resolve() for index in range(len(files))}
