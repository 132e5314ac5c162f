"""``python -m benchmarks [NAME …]``: run all benchmarks, or the named ones, and print the results."""

import platform
import sys

import torch

from benchmarks import (
    cost,
    evaluation,
    export,
    gpu,
    grouping,
    grouping_intervals,
    grouping_oracles,
    grouping_scores,
    grouping_tuning,
    import_time,
    inertia,
    loader,
    predict,
    small_mlp,
    streets,
    training,
    weighting,
)
from equipoise.errors import UserError
from equipoise.scenes.training.device import gpu_count

ALL = {
    "import": import_time.run,
    "weighting": weighting.run,
    "inertia": inertia.run,
    "small-mlp": small_mlp.run,
    "cost": cost.run,
    "loader": loader.run,
    "streets": streets.run,
    "grouping": grouping.run,
    "evaluation": evaluation.run,
    "oracles": grouping_oracles.run,
    "grouping-scores": grouping_scores.run,
    "grouping-intervals": grouping_intervals.run,
    "grouping-tuning": grouping_tuning.run,
    "export": export.run,
    "predict": predict.run,
    "training": training.run,
    "gpu": gpu.run,
}


def main() -> None:
    names = sys.argv[1:] or [name for name in ALL if name != "gpu" or gpu_count()]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"benchmarks: expected names from {', '.join(ALL)}, found {unknown[0]!r}")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    for name in names:
        try:
            lines = ALL[name]()
        except UserError as error:
            sys.exit(f"benchmarks: {error}")
        for line in lines:
            print(f"{name}: {line}", flush=True)


main()
