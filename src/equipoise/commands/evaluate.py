"""``equipoise evaluate RUN``."""

import json as json_format
from pathlib import Path

from equipoise.commands.callbacks import run_callbacks
from equipoise.commands.display import console, output, say
from equipoise.commands.results import print_all_figures, print_results
from equipoise.commands.sizes import parsed_tiling
from equipoise.scenes.evaluation.figures import without_nan
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.runs.evaluation import evaluate_run
from equipoise.scenes.runs.load import computing
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.device import choose_device


def evaluate(
    run: Path,
    /,
    *,
    recipe: Path | None = None,
    split: str = "",
    data: str = "",
    baselines: bool = True,
    per_class: bool = False,
    save_predictions: Path | None = None,
    overwrite: bool = False,
    tile: str = "",
    overlap: float | None = None,
    grouping: str = DEFAULT,
    json: bool = False,
    device: str = "auto",
) -> None:
    """Compute the figures of a trained run and of two baselines.

    Mean IoU comes from one confusion matrix over all images, and errors count every labelled pixel once, at the
    original size of the labels. Depth also has errors in metres if its labels are in metres, or if the data describe a
    stereo camera. Average precision and panoptic quality need classes and instances, predicted and labelled.

    Args:
        run: the folder of a run, or of an export, which needs a recipe.
        recipe: evaluate on the data sets of this recipe, which may be other data, or the same data at another path.
        split: the split to evaluate on; by default each data set's validation split.
        data: one of the recipe's data sets (the first is called data); by default all of them.
        baselines: evaluate the two baselines too; without them, the run's metrics.json is not replaced.
        per_class: print the figures of each class and each category too.
        save_predictions: a new or empty folder for the predictions as Cityscapes' evaluation server takes them: label
            ids as PNG; a text file and a mask for each object.
        overwrite: overwrite files in that folder.
        tile: run the network on overlapping parts of each image, height x width in px of its input, such as 512x1024;
            by default on whole images. The figures go to a file of their own.
        overlap: the fraction of a tile that it shares with the next one; 0.25 by default.
        grouping: how pixels are grouped into objects: votes, or the paper's optics, which needs scikit-learn and takes
            seconds an image; its figures go to a file of their own.
        json: print the figures as JSON on standard output.
        device: what to compute on: auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
    """
    tiling, where = parsed_tiling(tile, overlap), choose_device(device)
    say(f"evaluating {computing(run, where, device)}", console())
    figures = evaluate_run(
        RunFolder(run),
        run_callbacks(),
        elsewhere=recipe,
        split=split,
        data=data,
        baselines=baselines,
        tiling=tiling,
        grouping=grouping,
        device=where,
        save_predictions=save_predictions,
        overwrite=overwrite,
    )
    if json:
        print(json_format.dumps(without_nan(figures.to_json()), indent=1))
        return
    screen = output()
    print_results(figures, screen)
    print_all_figures(figures, screen, per_class=per_class)
