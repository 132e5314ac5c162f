"""Equipoise in Hugging Face's Trainer: python examples/transformers_trainer.py enb.arff

The model returns the weighted loss; the optimizer is built from ``param_groups`` and handed to the Trainer.
"""

import tempfile

import torch
from tabular import Network, path_from_command_line, read
from torch import Tensor
from torch.utils.data import StackDataset
from transformers import Trainer, TrainingArguments

import equipoise as eq


class JointModel(torch.nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.network = Network(inputs)
        self.likelihood = eq.MultiTaskLikelihood({"heating": eq.Gaussian(), "cooling": eq.Laplace()})
        self.weighting = eq.weighting.Damped()

    def forward(self, inputs: Tensor, heating: Tensor, cooling: Tensor) -> dict[str, Tensor]:
        outputs = self.network(inputs)
        joint = self.likelihood(outputs, {"heating": heating, "cooling": cooling})
        return {
            "loss": self.weighting.loss(joint),
            **self.likelihood.predict(outputs),
        }  # predictions in the targets' units


def main() -> None:
    inputs, targets = read(path_from_command_line())
    model = JointModel(inputs.shape[1])
    optimizer = torch.optim.Adam(eq.param_groups(model.network, model.likelihood, lr=1e-2))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=20, per_device_train_batch_size=64, seed=0, use_cpu=True,
            report_to="none", save_strategy="no", logging_steps=80, disable_tqdm=True,
            label_names=["heating", "cooling"],
        )  # fmt: skip
        data = StackDataset(inputs=inputs, heating=targets["heating"], cooling=targets["cooling"])
        Trainer(model=model, args=arguments, train_dataset=data, optimizers=(optimizer, None)).train()
    print("sigmas", model.likelihood.sigmas())


main()
