"""For the processes of the examples: import torchvision beside any build of torch, since Lightning imports it."""

from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators

declare_missing_operators()
