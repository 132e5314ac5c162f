"""The settings of the optimizer and of training, as recipes spell them."""

from dataclasses import dataclass
from typing import Literal

from equipoise.scenes.config.ranges import FRACTION, NOT_NEGATIVE, POSITIVE, Range, between
from equipoise.scenes.training.device import DEVICE


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """The optimizer and its learning rates.

    Attributes:
        name: ``adamw`` or ``sgd`` (with Nesterov momentum).
        lr: the network's learning rate, before the schedule's factor.
        log_variance_lr: the learning rate of the log-variances, which follows the same schedule; left out: ten times
            ``lr``.
        weight_decay: of the network's parameters; log-variances have none.
        momentum: of ``sgd``.
        schedule: with p = step / steps, the factor is (1 − p)^power for ``polynomial`` (the paper's), (1 + cos πp) / 2
            for ``cosine``, and 1 for ``constant``.
        power: of the ``polynomial`` schedule.
        warmup_steps: during so many first steps the rate rises linearly from nearly 0.
        encoder_lr_factor: the encoder's learning rate as a multiple of ``lr``; below 1 it keeps more of pretrained
            weights.
        encoder_lr_decay: the rate of each stage of the encoder as a multiple of the next stage's; the last stage, the
            farthest from the image, has ``lr`` · ``encoder_lr_factor``. 1: all stages have that rate.
        gradient_clip: the largest norm of the network's gradient, beyond which it is scaled down; left out: none.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    log_variance_lr: float | None = None
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["polynomial", "cosine", "constant"] = "cosine"
    power: float = 0.9
    warmup_steps: int = 0
    encoder_lr_factor: float = 1.0
    encoder_lr_decay: float = 1.0
    gradient_clip: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How long to train, on how many images at once, and what is written when.

    Attributes:
        steps: optimizer steps in all.
        batch_size: images in a step, of all processes together.
        accumulate: compute each step in so many parts, one after another, which takes less memory. Losses and gradients
            are those of the whole batch, but batch normalisation sees each part by itself. 1: in one part.
        ema: the decay of an exponential moving average of the model, such as 0.999; the average is validated, and is
            the model that the run ends with. 0: none, the model is that of a step.
        seed: of the network's first weights, the order of the images and the augmentation.
        init_tasks: draw the first weights as for a network of these tasks, of which ``tasks`` are some, so that runs
            with different tasks and one seed start from the same weights. Left out: as for ``tasks``.
        device: what to train on: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` (or another number) or ``mps``; ``auto``: a
            GPU if there is one. Resuming a run elsewhere is possible.
        precision: the number format of the network's forward pass; ``auto``: bfloat16 where the device computes in it,
            float16 on older GPUs, otherwise float32. Likelihoods always compute in float32.
        compile: compile the network with ``torch.compile``, which can make steps faster on a GPU, after a first one
            that takes a minute or more; on a CPU it gains little. Where images lack labels, it compiles anew for other
            numbers of labelled images.
        workers: processes that prepare batches; 0: the training process prepares them itself.
        log_every: write losses, σ and weights to the log every so many steps.
        checkpoint_every: save a checkpoint every so many steps; the last step is always saved.
        keep_checkpoints: how many of the newest checkpoints are kept.
        validate_every: evaluate on the validation split every so many steps, and after the last one, and keep the best
            model; 0: evaluate the last model once, when training is over.
        best_by: the figure that the best model is chosen by, such as ``semantic.mean_iou`` or ``depth.mae``; with
            several data sets ``data.semantic.mean_iou``. Empty: the geometric mean of the tasks' errors.
        early_stopping: stop after so many validations in a row without a new best; 0: never.
    """

    steps: int
    batch_size: int = 8
    accumulate: int = 1
    ema: float = 0.0
    seed: int = 0
    init_tasks: tuple[str, ...] = ()
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
    workers: int = 0
    log_every: int = 20
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    validate_every: int = 0
    best_by: str = ""
    early_stopping: int = 0


OPTIMIZER_RANGES: dict[str, Range] = {
    "lr": POSITIVE,
    "log_variance_lr": POSITIVE,
    "encoder_lr_factor": POSITIVE,
    "encoder_lr_decay": (lambda v: 0 < v <= 1, "above 0, at most 1"),
    "gradient_clip": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "momentum": FRACTION,
    "power": POSITIVE,
    "warmup_steps": NOT_NEGATIVE,
}
TRAINING_RANGES: dict[str, Range] = {
    "steps": between(1, 10**9),
    "batch_size": between(1, 65536),
    "accumulate": between(1, 65536),
    "ema": FRACTION,
    "log_every": between(1, 10**9),
    "checkpoint_every": between(1, 10**9),
    "keep_checkpoints": between(1, 10**9),
    "validate_every": between(0, 10**9),
    "early_stopping": between(0, 10**9),
    "seed": between(0, 2**32 - 1),
    "workers": between(0, 256),
    "device": DEVICE,
}
