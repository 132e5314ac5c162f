"""Train the decoders for the same computing time and compare their figures.

``python -m benchmarks.decoders FOLDER``: FOLDER gets the streets, the runs and ``decoders.json``; finished runs stay.
The time is that of one thread, so that other work on the machine changes it little. Steps are chosen from the time of
a step, which is measured for both decoders in turn; then both train at the same time, one process each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.streets import generate
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.precision import choose_precision
from equipoise.scenes.training.step import training_step

DECODERS = ("aspp", "deeplabv3plus")
THIN = ("pole", "traffic sign", "person")
RECIPE = """
tasks = ["semantic", "instance", "depth"]
[data]
kind = "streets"
path = "streets"
size = [128, 256]
cache_folder = "cache"
[model]
encoder_name = "{encoder}"
decoder = "{decoder}"
[augmentation]
flip = true
[optimizer]
lr = 2e-3
weight_decay = 1e-2
warmup_steps = {warmup}
gradient_clip = 10.0
[training]
steps = {steps}
seed = {seed}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=180, help="of one thread, for a run's training")
    parser.add_argument("--encoders", nargs="+", default=["small", "resnet18"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not (given.folder / "streets").exists():
        generate(given.folder / "streets", train=400, val=100)
    rows = []
    for encoder in given.encoders:
        seconds = seconds_per_step(encoder, given.folder)
        for seed in given.seeds:
            rows += side_by_side(encoder, seed, seconds, given)
            (given.folder / "decoders.json").write_text(json.dumps(rows, indent=1))
    print(table(rows))


def recipe_file(folder: Path, encoder: str, decoder: str, steps: int, seed: int) -> Path:
    path = folder / f"{encoder}-{decoder}-{seed}.toml"
    warmup = min(100, steps // 10)
    path.write_text(RECIPE.format(encoder=encoder, decoder=decoder, steps=steps, seed=seed, warmup=warmup))
    return path


def seconds_per_step(encoder: str, folder: Path, rounds: int = 8) -> dict[str, float]:
    """Median time of a step in one thread, of each decoder; the decoders take turns."""
    recipes = {name: read_recipe(recipe_file(folder, encoder, name, rounds, 0)) for name in DECODERS}
    steps = {name: stepper(recipe) for name, recipe in recipes.items()}
    times: dict[str, list[float]] = {name: [] for name in DECODERS}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            next(step)
            times[name].append(time.process_time() - start)
    return {name: statistics.median(each[2:]) for name, each in times.items()}


def stepper(recipe: Recipe):
    """Do a training step for each value that is taken."""
    dataset = RecipeData(recipe).training(lambda title, total: Silent())
    options, here = recipe.training, torch.device("cpu")
    precision = choose_precision(options.precision, here)
    state = new_state(recipe, dataset, None, here, precision)
    state.model.train()
    drawn = batches(
        dataset,
        state.model.tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=0,
        batch_size=options.batch_size,
        start=0,
        stop=options.steps,
        workers=0,
    )
    for batch in drawn:
        yield training_step(state, [batch], precision, recipe.optimizer.gradient_clip, ALONE)


class Silent:
    def __enter__(self):
        return lambda: None

    def __exit__(self, *reason: object) -> None:
        pass


def side_by_side(
    encoder: str, seed: int, seconds: dict[str, float], given: argparse.Namespace
) -> list[dict[str, object]]:
    """Train both decoders at the same time; their figures."""
    running = []
    for decoder in DECODERS:
        run = given.folder / f"{encoder}-{decoder}-{seed}"
        if (run / "metrics.json").exists():
            continue
        recipe = recipe_file(given.folder, encoder, decoder, int(given.seconds / seconds[decoder]), seed)
        command = [sys.executable, "-m", "equipoise", "train", str(recipe), "--out", str(run), "--overwrite"]
        with (given.folder / f"{run.name}.log").open("w") as log:
            running.append(subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log))
    for process in running:
        if process.wait():
            sys.exit(f"{process.args}: failed")
    return [figures(given.folder / f"{encoder}-{name}-{seed}", encoder, name, seed) for name in DECODERS]


def figures(run: Path, encoder: str, decoder: str, seed: int) -> dict[str, object]:
    tasks = json.loads((run / "metrics.json").read_text())["tasks"]
    record = json.loads((run / "run.json").read_text())
    iou = tasks["semantic"]["iou"]
    return {
        "encoder": encoder,
        "decoder": decoder,
        "seed": seed,
        "parameters (M)": record["parameters"] / 1e6,
        "steps": record["steps"],
        "minutes": record["seconds"] / 60,
        "mIoU (%)": 100 * tasks["semantic"]["mean_iou"],
        **{f"{name} (%)": 100 * iou[name] for name in THIN},
        "disparity MAE (px)": tasks["depth"]["mae"],
        "offset MAE (px)": tasks["instance"]["mae_px"],
    }


def table(rows: list[dict[str, object]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [[f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
