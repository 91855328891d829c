"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6 instead of swish.

Attributes have the names of the weights file. Convolutions are padded as TensorFlow pads, where the weights
come from: with a stride of 2 one pixel more at the end than at the start.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

STEM, HEAD, CLASSES = 32, 1280, 1000
SIZE = 224

# Repeats, kernel, stride of the first, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution that gives an even size divided by its stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = kernel - stride
        self.margins = (total // 2, total - total // 2) * 2

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve."""
        return super().forward(pad(features, self.margins) if any(self.margins) else features)


class Block(nn.Module):
    """Expand the channels, convolve each by itself, project: an inverted residual."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion > 1
        self.is_residual = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv2d(inputs, inner, 1)
            self._bn0 = _norm(inner)
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = SameConv2d(inner, outputs, 1)
        self._bn2 = _norm(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Add what the block finds to what it gets, where both have the same form."""
        found = relu6(self._bn0(self._expand_conv(features))) if self.expands else features
        found = relu6(self._bn1(self._depthwise_conv(found)))
        found = self._bn2(self._project_conv(found))
        return features + found if self.is_residual else found


class EfficientNetLite(nn.Module):
    """Normalised pictures to a score per class."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM, 3, 2)
        self._bn0 = _norm(STEM)
        blocks, inputs = [], STEM
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for number in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if number else stride, expansion))
                inputs = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = SameConv2d(inputs, HEAD, 1)
        self._bn1 = _norm(HEAD)
        self._fc = nn.Linear(HEAD, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """`FP32[batch, 3, 224, 224]` to `FP32[batch, 1000]`."""
        features = relu6(self._bn0(self._conv_stem(pixels)))
        features = relu6(self._bn1(self._conv_head(self._blocks(features))))
        scores: Tensor = self._fc(features.mean(dim=(2, 3)))
        return scores


def make() -> EfficientNetLite:
    """The module whose weights the package has."""
    return EfficientNetLite()


def _norm(channels: int) -> nn.BatchNorm2d:
    """TensorFlow's epsilon is not PyTorch's."""
    return nn.BatchNorm2d(channels, eps=1e-3)
