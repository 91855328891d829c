"""Reader, inference and writer work at the same time, on chunks that follow one another."""

from threading import Barrier

import pytest

from modelet_runtime.batch.flow import Flow

_PATIENCE_S = 20


class Stages:
    """An engine and a sink of which each stage waits until the other two are at work as well.

    The reader is at chunk n + 2 when the graph runs chunk n + 1 and chunk n is written.
    """

    def __init__(self, chunks: int) -> None:
        self.together = Barrier(3)
        self.chunks = chunks
        self.written: list[int] = []
        self.met: list[tuple[str, int]] = []

    def _meet(self, stage: str, chunk: int, first: int) -> None:
        if first <= chunk < first + self.chunks - 2:
            self.together.wait(_PATIENCE_S)
            self.met.append((stage, chunk))

    def prepare(self, chunk: int) -> int:
        self._meet("reader", chunk, 2)
        return chunk

    def infer(self, chunk: int) -> None:
        self._meet("inference", chunk, 1)

    def finish(self, chunk: int) -> int:
        return chunk

    def take(self, chunk: int) -> bool:
        self._meet("writer", chunk, 0)
        self.written.append(chunk)
        return False


def test_reading_inference_and_writing_overlap():
    stages = Stages(chunks=12)
    assert Flow(stages, stages.take).run(number for number in range(12))
    assert stages.written == list(range(12))
    stages_ahead = enumerate(("writer", "inference", "reader"))
    assert set(stages.met) == {(stage, chunk + ahead) for ahead, stage in stages_ahead for chunk in range(10)}


def test_little_lies_between_the_stages():
    """What is read ahead is bounded: a slow graph does not fill the memory."""
    read: list[int] = []
    ahead: list[int] = []

    class Slow(Stages):
        def prepare(self, chunk: int) -> int:
            read.append(chunk)
            return chunk

        def infer(self, chunk: int) -> None:
            ahead.append(len(read) - chunk)

        def take(self, chunk: int) -> bool:
            return False

    stages = Slow(0)
    assert Flow(stages, stages.take).run(number for number in range(200))
    assert max(ahead) <= 4


@pytest.mark.parametrize("stage", ["prepare", "infer", "finish", "take"])
def test_what_a_stage_raises_ends_the_flow(stage):
    class Failing(Stages):
        pass

    def fail(self, chunk):
        raise RuntimeError(stage)

    setattr(Failing, stage, fail)
    stages = Failing(0)
    with pytest.raises(RuntimeError, match=stage):
        Flow(stages, stages.take).run(number for number in range(50))
