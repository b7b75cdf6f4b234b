"""A model whose network says a given text, whatever it is asked."""

from __future__ import annotations

import types
from typing import Any

import torch

from luthier.models.load import Model
from luthier.models.render import Renderer


class Speaks:
    """The network: its next token is always the text's, then the stop token.

    Attributes:
        prompts: Token ids of each prompt it was given.
    """

    dtype = torch.float32

    def __init__(self, renderer: Renderer, text: str) -> None:
        self.ids = [*renderer.text_ids(text), sorted(renderer.stop_ids)[0]]
        self.words = len(renderer.tokenizer)
        self.prompts: list[list[int]] = []

    def __call__(self, input_ids: torch.Tensor, past_key_values: Any, **_: Any) -> Any:
        """The cache is the number of tokens said."""
        done = past_key_values or 0
        if not done:
            self.prompts += input_ids.tolist()
        logits = torch.zeros(len(input_ids), 1, self.words)
        logits[:, :, self.ids[min(done, len(self.ids) - 1)]] = 9.0
        return types.SimpleNamespace(logits=logits, past_key_values=done + 1)


def speaking(renderer: Renderer, text: str) -> Model:
    """A model that says this text."""
    return Model(Speaks(renderer, text), renderer.tokenizer, 4096, "cpu")
