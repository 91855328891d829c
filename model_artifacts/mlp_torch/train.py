"""Learns to tell malignant from benign breast tumours by measurements of their cells' nuclei."""

import numpy as np
import torch
from model import Perceptron
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

SEED = 0
HELD_OUT = 0.25
EPOCHS = 80

Floats = NDArray[np.float32]
Classes = NDArray[np.int64]


def split() -> tuple[Floats, Floats, Classes, Classes]:
    """Samples to train on and others to test with; then whether each is malignant (0) or benign (1)."""
    data = load_breast_cancer()
    known, held_out, classes, held_out_classes = train_test_split(
        data.data.astype(np.float32), data.target, test_size=HELD_OUT, stratify=data.target, random_state=SEED
    )
    return known, held_out, classes, held_out_classes


def weights() -> dict[str, torch.Tensor]:
    """Train, and return the state dict."""
    known, _, classes, _ = split()
    torch.manual_seed(SEED)
    model = Perceptron()
    model.mean.copy_(torch.from_numpy(known.mean(axis=0)))
    model.std.copy_(torch.from_numpy(known.std(axis=0)))
    features, targets = torch.from_numpy(known), torch.from_numpy(classes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        loss = cross_entropy(model.logits(features), targets, label_smoothing=0.05)
        loss.backward()
        optimiser.step()
    return model.state_dict()


def samples() -> Floats:
    """The 143 samples that `weights` has not seen."""
    return split()[1]


def targets() -> list[int]:
    """Whether they are malignant (0) or benign (1)."""
    return split()[3].tolist()
