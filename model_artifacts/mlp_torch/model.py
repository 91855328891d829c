"""A multi-layer perceptron over thirty measurements of a cell sample."""

import torch
from torch import Tensor, nn

FEATURES, CLASSES = 30, 2


class Perceptron(nn.Module):
    """Standardises measurements, and gives the probability of each class.

    The mean and spread of the training data are buffers: they are part of the state dict, and callers send
    measurements in the units they have.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, hidden: tuple[int, int] = (64, 32)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        first, second = hidden
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, CLASSES),
        )

    def logits(self, features: Tensor) -> Tensor:
        """Scores before the softmax, as training needs them."""
        scores: Tensor = self.layers((features - self.mean) / self.std)
        return scores

    def forward(self, features: Tensor) -> Tensor:
        """`FP32[batch, 30]` to `FP32[batch, 2]`."""
        return self.logits(features).softmax(dim=-1)


def make() -> Perceptron:
    """The module whose weights `train.py` returns."""
    return Perceptron()
