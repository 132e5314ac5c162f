"""Equipoise in Lightning: python examples/lightning_module.py enb.arff

The likelihood is a submodule, so that checkpoints carry σ; its parameters come from ``param_groups``.
"""

import lightning as L
import torch
from tabular import Network, path_from_command_line, read
from torch.utils.data import DataLoader, TensorDataset

import equipoise as eq


class JointModule(L.LightningModule):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.network = Network(inputs)
        self.likelihood = eq.MultiTaskLikelihood({"heating": eq.Gaussian(), "cooling": eq.Laplace()})
        self.weighting = eq.weighting.Damped()

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        inputs, heating, cooling = batch
        joint = self.likelihood(self.network(inputs), {"heating": heating, "cooling": cooling})
        self.log_dict({f"{name}_loss": term.loss for name, term in joint.tasks.items()}, on_epoch=True, on_step=False)
        return self.weighting.loss(joint)

    def predict_step(self, batch: list[torch.Tensor], index: int) -> dict[str, torch.Tensor]:
        return self.likelihood.predict(self.network(batch[0]))  # in the targets' units

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(eq.param_groups(self.network, self.likelihood, lr=1e-2))


def main() -> None:
    inputs, targets = read(path_from_command_line())
    L.seed_everything(0, verbose=False)
    loader = DataLoader(TensorDataset(inputs, targets["heating"], targets["cooling"]), batch_size=64, shuffle=True)
    module = JointModule(inputs.shape[1])
    trainer = L.Trainer(
        max_epochs=20, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, loader)
    print({name: round(float(value), 3) for name, value in trainer.callback_metrics.items()})
    print("sigmas", module.likelihood.sigmas())


main()
