"""Where in the owner's own code an error comes from: what people want to read of a traceback."""

import traceback
from pathlib import Path


def place(error: BaseException) -> str:
    """The last line of the owner's code that the error went through, as ` (train.py, line 3)`, or nothing.

    The process runs in the model's folder.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
