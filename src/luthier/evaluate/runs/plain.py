"""Prompts for models without a chat template: the turns' texts as they are, one behind another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from luthier.core.errors import ModelError
from luthier.core.records import Message
from luthier.evaluate._rank_score import start_id
from luthier.models.render import Rendered

if TYPE_CHECKING:
    from luthier.models.load import Model
    from luthier.models.render import Renderer

BETWEEN = "\n\n"
"""Stands between two turns."""


class PlainRenderer:
    """What a ``Renderer`` does for answering, without a template.

    Args:
        tokenizer: Of a causal language model.
    """

    call_form = None

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def stop_ids(self) -> frozenset[int]:
        """The token that ends a text."""
        end = self.tokenizer.eos_token_id
        return frozenset() if end is None else frozenset([int(end)])

    def prompt_ids(self, messages: Sequence[Message], tools: str = "") -> list[int]:
        """Token ids of the turns' texts, with the tokens that the tokenizer begins a text with.

        Raises:
            ModelError: There are tools on offer.
        """
        if tools:
            raise ModelError(
                "a model without a chat template cannot be offered tools",
                mend="Evaluate a model that has one.",
            )
        return self.ids(text_of(messages))

    def ids(self, text: str) -> list[int]:
        """Token ids of a text that stands at the beginning; at least one."""
        ids: list[int] = self.tokenizer(text, verbose=False)["input_ids"]
        while ids and ids[-1] in self.stop_ids:
            ids.pop()
        return ids or [start_id(self.tokenizer)]

    def text_ids(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def rows(self, messages: Sequence[Message], tools: str = "") -> list[Rendered]:
        """The prompt and the answer behind it, the answer learned."""
        prompt = self.prompt_ids(messages[:-1], tools)
        answer = continued(self, text_of(messages[:-1]), messages[-1].content)
        mask = [False] * len(prompt) + [True] * len(answer)
        return [Rendered([*prompt, *answer], mask)]


def text_of(messages: Sequence[Message]) -> str:
    """The turns' texts."""
    return BETWEEN.join(m.content for m in messages if m.content)


def continued(renderer: PlainRenderer, context: str, answer: str) -> list[int]:
    """Token ids of an answer behind a context, a space between them.

    Context and answer are turned to tokens together and cut where the context's own tokens end;
    white space at its end goes to the answer (as lm-evaluation-harness does it).
    """
    bare = context.rstrip()
    between = context[len(bare) :] or (" " if bare else "")
    whole = renderer.ids(bare + between + answer)
    return whole[len(renderer.ids(bare)) :] if bare else renderer.text_ids(answer)


def give_renderer(model: Model) -> str:
    """Give a model without a chat template a plain renderer.

    Returns:
        How prompts are written: ``chat`` or ``plain``.
    """
    if model.tokenizer.chat_template:
        return "chat"
    model.renderer = cast("Renderer", PlainRenderer(model.tokenizer))
    return "plain"
