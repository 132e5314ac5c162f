"""Equipoise in a plain training loop: python examples/plain_pytorch.py enb.arff"""

import torch
from tabular import Network, path_from_command_line, read

import equipoise as eq

inputs, targets = read(path_from_command_line())
model = Network(inputs.shape[1])
likelihood = eq.MultiTaskLikelihood({"heating": eq.Gaussian(standardize=True), "cooling": eq.Laplace(standardize=True)})
optimizer = torch.optim.Adam(eq.param_groups(model, likelihood, lr=1e-2))
for step in range(401):
    optimizer.zero_grad()
    joint = likelihood(model(inputs), targets)
    if step % 100 == 0:
        figures = ", ".join(f"{name}: loss {t.loss:.3g}, σ {t.sigma:.3g}" for name, t in joint.tasks.items())
        print(f"step {step}: joint loss {joint.loss:.3f}; {figures}")
        print(eq.audit_gradients(joint, model.shared.parameters()))
    joint.loss.backward()
    optimizer.step()
likelihood.eval()
print(eq.calibration_report(likelihood, model(inputs), targets))
