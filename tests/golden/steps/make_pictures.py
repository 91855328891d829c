"""Make `pictures.json`: what torchvision's and TensorFlow's transforms make of a picture, kept.

To make it again, in an environment of its own (on Linux, CPU):

    python -m venv pictures && pictures/bin/pip install torch torchvision==0.29.2 tensorflow-cpu==2.21.0
    pictures/bin/python tests/golden/steps/make_pictures.py

Each of the two runs in a process of its own: together they crash.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZES = [(60, 40), (40, 60), (37, 53), (10, 10), (97, 11)]
Transform = Callable[[Image.Image], Image.Image]


def picture(width: int, height: int) -> np.ndarray:
    """Detail in every channel; `test_steps_image.py` makes the same."""
    y, x, channel = np.mgrid[:height, :width, :3]
    return ((x * 7 + y * 13 + channel * 50 + x * y % 31 * 5) % 256).astype(np.uint8)


def of_torchvision() -> Iterator[tuple[dict[str, Any], Transform]]:
    """Parameters of the step, and what they stand for."""
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    # How most of torchvision's models see a picture.
    filters = ("bilinear", "bicubic", "nearest", "lanczos", "box")
    usual = [(16, (12, 12), name) for name in filters]
    for shorter, size, name in [*usual, (15, (12, 9), "hamming"), (9, (12, 12), "bilinear")]:
        parameters = {
            "shorter": shorter,
            "height": size[0],
            "width": size[1],
            "fit": "center",
            "filter": name,
        }
        steps = [transforms.Resize(shorter, InterpolationMode(name)), transforms.CenterCrop(size)]
        yield parameters, transforms.Compose(steps)
    for height, width in ((11, 12), (13, 9)):
        yield {"height": height, "width": width, "fit": "center"}, transforms.CenterCrop((height, width))
    for name in ("bilinear", "bicubic"):
        stretched = {"height": 9, "width": 7, "filter": name}
        yield stretched, transforms.Resize((9, 7), InterpolationMode(name))


def of_tensorflow() -> Iterator[tuple[dict[str, Any], Transform]]:
    """Parameters of the step, and what they stand for."""
    import tensorflow as tf

    for fraction in (0.875, 0.5, 0.33):

        def transform(image: Image.Image, fraction: float = fraction) -> Image.Image:
            middle = Image.fromarray(tf.image.central_crop(np.asarray(image), fraction).numpy())
            return middle.resize((9, 9), Image.Resampling.NEAREST)

        yield {"crop": fraction, "height": 9, "width": 9, "filter": "nearest"}, transform


def cases(name: str) -> Iterator[str]:
    """The cases of one of the two, a line each."""
    for parameters, transform in {"torchvision": of_torchvision, "tensorflow": of_tensorflow}[name]():
        for width, height in SIZES:
            pixels = np.asarray(transform(Image.fromarray(picture(width, height))))
            coded = base64.b64encode(pixels.tobytes()).decode()
            case = {"size": [width, height], "parameters": parameters, "pixels": coded}
            yield json.dumps(case, separators=(",", ":"))


def main() -> None:
    """Write the file."""
    lines: list[str] = []
    for name in ("torchvision", "tensorflow"):
        command = [sys.executable, __file__, name]
        lines += subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    (Path(__file__).parent / "pictures.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.writelines(f"{line}\n" for line in cases(sys.argv[1]))
    else:
        main()
