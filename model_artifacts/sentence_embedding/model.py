"""MiniLM: BERT's encoder with six layers of 384, from token ids to a vector per token.

Attributes have the names of the weights file. What makes one vector of the tokens' are steps of the recipe.

Source: https://arxiv.org/abs/1810.04805 and https://arxiv.org/abs/2002.10957
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

VOCABULARY, POSITIONS, SEGMENTS = 30522, 512, 2
LAYERS, SIZE, HEADS, INNER = 6, 384, 12, 1536
EPSILON = 1e-12

# Added to the score of padding, whose weight is then 0 after the softmax; int8 need not span float's range.
HIDDEN = -10_000.0


class Embeddings(nn.Module):
    """A vector for each token and its position; a text is always the first segment."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, SIZE)
        self.position_embeddings = nn.Embedding(POSITIONS, SIZE)
        self.token_type_embeddings = nn.Embedding(SEGMENTS, SIZE)
        self.LayerNorm = nn.LayerNorm(SIZE, eps=EPSILON)

    def forward(self, input_ids: Tensor) -> Tensor:
        """`INT64[batch, sequence]` to `FP32[batch, sequence, 384]`."""
        places = self.position_embeddings.weight[: input_ids.shape[1]] + self.token_type_embeddings.weight[0]
        vectors: Tensor = self.LayerNorm(self.word_embeddings(input_ids) + places)
        return vectors


class SelfAttention(nn.Module):
    """Let each token take from all others."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(SIZE, SIZE)
        self.key = nn.Linear(SIZE, SIZE)
        self.value = nn.Linear(SIZE, SIZE)

    def forward(self, vectors: Tensor, bias: Tensor) -> Tensor:
        """`bias` is what is added to each score: `FP32[batch, 1, 1, sequence]`."""
        query, key, value = (_heads(part(vectors)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) / sqrt(SIZE // HEADS) + bias
        taken = scores.softmax(dim=-1) @ value
        return taken.transpose(1, 2).flatten(2)


class Projection(nn.Module):
    """Project, add to what was there, and normalise."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, SIZE)
        self.LayerNorm = nn.LayerNorm(SIZE, eps=EPSILON)

    def forward(self, found: Tensor, vectors: Tensor) -> Tensor:
        """`found` is projected, `vectors` is what was there."""
        sums: Tensor = self.LayerNorm(self.dense(found) + vectors)
        return sums


class Layer(nn.Module):
    """Attention between tokens, then two dense layers for each."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Projection(SIZE)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(SIZE, INNER)})
        self.output = Projection(INNER)

    def forward(self, vectors: Tensor, bias: Tensor) -> Tensor:
        """One layer."""
        vectors = self.attention["output"](self.attention["self"](vectors, bias), vectors)
        last: Tensor = self.output(gelu(self.intermediate["dense"](vectors)), vectors)
        return last


class MiniLM(nn.Module):
    """Token ids to a vector per token."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """`INT64[batch, sequence]` twice to `FP32[batch, sequence, 384]`."""
        bias = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * HIDDEN
        vectors: Tensor = self.embeddings(input_ids)
        for layer in self.encoder["layer"]:
            vectors = layer(vectors, bias)
        return vectors


def make() -> MiniLM:
    """The module whose weights the package has."""
    return MiniLM()


def _heads(vectors: Tensor) -> Tensor:
    """`[batch, sequence, 384]` to `[batch, 12, sequence, 32]`."""
    return vectors.unflatten(-1, (HEADS, SIZE // HEADS)).transpose(1, 2)
