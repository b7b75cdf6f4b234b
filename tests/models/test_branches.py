"""Continuations of one context have the likelihoods they have alone, whatever lies beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny_models import MAKERS, logits, tiny
from torch.nn import functional

from luthier.models import branches
from luthier.models.branches import Tree, branch_nll, branch_scores

ARCHITECTURES = sorted(MAKERS)


def tokens(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, 400, (count,), generator=generator).tolist()


def own_losses(network: object, tree: Tree) -> list[list[float]]:
    found = []
    for branch in tree.branches:
        whole = logits(network, [*tree.context, *branch])[len(tree.context) - 1 : -1]
        losses = functional.cross_entropy(whole, torch.tensor(branch), reduction="none")
        found.append(losses.tolist())
    return found


def trees(start: Sequence[int] = ()) -> list[Tree]:
    shapes = [(9, (3, 1, 4)), (1, (2, 2)), (20, (1, 1, 1, 1)), (5, (6,)), (14, (2, 7))]
    return [
        Tree([*start, *tokens(size, n)], [tokens(k, 10 * n + i) for i, k in enumerate(lengths)])
        for n, (size, lengths) in enumerate(shapes)
    ]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_each_continuation_is_read_as_if_it_stood_alone(kind: str) -> None:
    network = tiny(kind).network
    found = branch_nll(network, trees())
    for tree, losses in zip(trees(), found, strict=True):
        for own, wanted in zip(losses, own_losses(network, tree), strict=True):
            np.testing.assert_allclose(own, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_all_contexts_begin_with_is_computed_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, start = tiny(kind).network, tokens(30, 99)
    monkeypatch.setattr(branches, "WIDTH", 40)
    read = []
    network.get_input_embeddings().register_forward_hook(
        lambda _m, given, _o: read.append(given[0].numel())
    )
    found = branch_nll(network, trees(start))
    if 30 in read:  # architectures that cannot be packed read every row alone
        assert sum(read) < 30 + 3 * 40 + 100
    for tree, losses in zip(trees(start), found, strict=True):
        for own, wanted in zip(losses, own_losses(network, tree), strict=True):
            np.testing.assert_allclose(own, wanted, rtol=1e-4, atol=1e-4)


def test_what_lies_beside_a_tree_changes_nothing() -> None:
    network, every = tiny("llama").network, trees()
    together, said = branch_nll(network, every), []
    for number, tree in enumerate(every):
        (alone,) = branch_nll(network, [tree], advance=said.append)
        for own, wanted in zip(alone, together[number], strict=True):
            np.testing.assert_allclose(own, wanted, atol=1e-5)
    assert said == [1] * len(every)


def test_logits_are_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny("llama").network
    whole = branch_nll(network, trees())
    monkeypatch.setattr(branches, "_LOGITS_AT_ONCE", 3 * 420)
    sizes: list[int] = []
    network.get_output_embeddings().register_forward_hook(
        lambda _m, given, _o: sizes.append(given[0].shape[-2])
    )
    pieces = branch_nll(network, trees())
    for own, wanted in zip(pieces, whole, strict=True):
        np.testing.assert_allclose(np.concatenate(own), np.concatenate(wanted), atol=1e-6)
    assert sizes.count(3) > 3


def test_the_likeliest_token_is_behind_none() -> None:
    network, tree = tiny().network, trees()[2]
    whole = logits(network, tree.context)[-1]
    first = [*whole.argsort(descending=True)[:2].tolist()]
    ((best, second),) = branch_scores(network, [Tree(tree.context, [first[:1], first[1:]])])
    assert best[0, 1] == 0
    wanted = float(whole[first[0]] - whole[first[1]])
    np.testing.assert_allclose(second[0, 1], wanted, rtol=1e-4)
