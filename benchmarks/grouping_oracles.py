"""What limits a run's objects: its figures with classes, vectors or centres replaced by the truth, one at a time."""

from collections.abc import Iterator

from benchmarks.grouping_inputs import (
    Grouped,
    Input,
    group_with,
    grouped_by,
    make_inputs,
    quality,
    read,
    run_is_missing,
)
from benchmarks.grouping_methods import true_centres
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.grouping import Grouping
from equipoise.scenes.grouping.group import METHODS


def run() -> Iterator[str]:
    """A line for each combination."""
    if missing := list(run_is_missing()):
        yield from missing
        return
    samples, vocabulary = read()
    inputs = make_inputs(samples)
    true, own = inputs["true"], inputs["predicted"]
    votes = grouped_by(METHODS["votes"])
    table: dict[str, tuple[Grouped, list[Input]]] = {
        "predicted classes and vectors": (votes, own),
        "true centres": (with_true_centres, own),
        "true vectors": (votes, [(o, c, p) for (_, c, p), (o, _, _) in zip(own, true, strict=True)]),
        "true classes": (votes, inputs["predicted, true classes"]),
        "true classes and centres": (with_true_centres, inputs["predicted, true classes"]),
        "true classes and vectors": (votes, true),
    }
    for title, (grouped, given) in table.items():
        yield f"{title}: {quality(grouped, given, samples, vocabulary)}"


def with_true_centres(one: Input, sample: Sample, groups: tuple[tuple[int, ...], ...]) -> Grouping:
    """Group by the centroids of the true objects."""
    return group_with(true_centres(sample.labels["instance"]), one, groups)
