"""Learns to tell malignant from benign breast tumours by measurements of their cells' nuclei.

Every CPU learns the same weights. It computes in 64 bits, where CPUs differ by some 1e-15 at the end, and
what comes out is rounded to steps a trillion times as large. Initial weights are drawn in 64 bits too, and
there is no dropout: which numbers PyTorch draws for its masks depends on who made the CPU.
"""

import numpy as np
import torch
from model import Perceptron
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

SEED = 0
HELD_OUT = 0.25
EPOCHS = 100
# Weights are multiples of this. Below 2 they fit 16-bit floats, so those lose nothing.
STEP = 2**-10

Floats = NDArray[np.float32]
Classes = NDArray[np.int64]


def split() -> tuple[Floats, Floats, Classes, Classes]:
    """Samples to train on and others to test with; then whether each is malignant (0) or benign (1)."""
    data = load_breast_cancer()
    known, held_out, classes, held_out_classes = train_test_split(
        data.data.astype(np.float32), data.target, test_size=HELD_OUT, stratify=data.target, random_state=SEED
    )
    return known, held_out, classes, held_out_classes


def initial(features: NDArray[np.float64]) -> Perceptron:
    """A network in 64 bits that has seen the measurements' mean and spread, and nothing else."""
    torch.manual_seed(SEED)
    model = Perceptron().double()
    for layer in model.layers:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    # Measurements differ in magnitude by 100,000: 16-bit floats have steps to suit each.
    model.mean.copy_(torch.from_numpy(features.mean(axis=0)).half())
    model.std.copy_(torch.from_numpy(features.std(axis=0)).half())
    return model


def trained() -> Perceptron:
    """The network after training, in 64 bits."""
    known, _, classes, _ = split()
    features = known.astype(np.float64)
    model = initial(features)
    inputs, targets = torch.from_numpy(features), torch.from_numpy(classes)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        loss = cross_entropy(model.logits(inputs), targets, label_smoothing=0.05)
        loss.backward()
        optimiser.step()
    return model


def weights() -> dict[str, torch.Tensor]:
    """Train, and return the state dict."""
    model = trained()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter / STEP).round() * STEP)
    return model.float().state_dict()


def samples() -> Floats:
    """The 143 samples that `weights` has not seen."""
    return split()[1]


def targets() -> list[int]:
    """Whether they are malignant (0) or benign (1)."""
    return split()[3].tolist()
