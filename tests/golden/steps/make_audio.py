"""Make `audio.json`: WAV files as libsndfile writes them, with the samples that it reads from them.

To make it again, in an environment of its own:

    python -m venv soundfile && soundfile/bin/pip install soundfile==0.14.0 numpy
    soundfile/bin/python tests/golden/steps/make_audio.py
"""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

FRAMES = 24
RATE = 16_000


def main() -> None:
    """Write the file."""
    dice = np.random.default_rng(0)
    cases = []
    for form in ("WAV", "WAVEX"):
        for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
            for channels in (1, 2, 5):
                samples = dice.uniform(-1, 1, (FRAMES, channels))
                samples[:2] = [[-1.0] * channels, [1.0] * channels]
                out = BytesIO()
                soundfile.write(out, samples, RATE, format=form, subtype=subtype)
                read, _ = soundfile.read(BytesIO(out.getvalue()), dtype="float64", always_2d=True)
                cases.append(
                    {
                        "name": f"{form} {subtype} {channels}",
                        "wav": base64.b64encode(out.getvalue()).decode(),
                        "mean": [round(value, 9) for value in read.mean(axis=1).tolist()],
                        "last": [round(value, 9) for value in read[:, -1].tolist()],
                    }
                )
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (Path(__file__).parent / "audio.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
