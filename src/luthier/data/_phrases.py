"""The wordings of questions: several for each kind of fact."""

from __future__ import annotations

from luthier.data._facts import Fact, FactKind

PHRASES: dict[FactKind, tuple[str, ...]] = {
    "summary": (
        "What does {name} do?",
        "Describe {name}.",
        "What is {name} for?",
        "What is the purpose of {name}?",
        "Explain {name} in one sentence.",
        "Tell me what {name} does.",
    ),
    "default": (
        "What is the default value of `{detail}` in {name}?",
        "Which default does the parameter `{detail}` of {name} have?",
        "In {name}, what is `{detail}` if it is not given?",
        "What does `{detail}` default to in {name}?",
    ),
    "parameters": (
        "Which parameters does {name} take?",
        "List the parameters of {name}.",
        "What are the arguments of {name}?",
        "Name the parameters of {name}.",
    ),
    "parameter": (
        "What is the parameter `{detail}` of {name}?",
        "In {name}, what does `{detail}` mean?",
        "What is `{detail}` in {name}?",
        "Explain the argument `{detail}` of {name}.",
    ),
    "returns": (
        "What does {name} return?",
        "What is the return value of {name}?",
        "What do I get back from {name}?",
    ),
    "raises": (
        "When does {name} raise {detail}?",
        "What does the documentation of {name} say about {detail}?",
        "In which case is {detail} raised by {name}?",
    ),
    "bases": (
        "What does the class {name} inherit from?",
        "Which base classes does {name} have?",
        "Name the base classes of {name}.",
    ),
    "call": (
        "Write {detail} as a JSON call signature.",
        "Give {detail} as a one-line JSON call signature.",
        "Turn {detail} into a JSON call signature.",
        "As a JSON call signature: {detail}",
    ),
}
MODULE_SUMMARY = (
    "What is the module {name} for?",
    "What does the module {name} provide?",
    "Describe the module {name}.",
    "What is {name} for?",
)
CLASS_SUMMARY = (
    "What is {name}?",
    "Describe the class {name}.",
    "What is the class {name} for?",
    "What is the purpose of {name}?",
    "Explain {name} in one sentence.",
)
PROPERTY_SUMMARY = (
    "What is {name}?",
    "Describe the attribute {name}.",
    "What does the attribute {name} hold?",
    "What does {name} tell?",
)


def phrase(fact: Fact, document_kind: str, choice: int) -> str:
    """The question for a fact.

    Args:
        fact: What is asked for.
        document_kind: ``module``, ``class``, ``function`` ...: summaries are asked for differently.
        choice: Which wording, any non-negative number; neighbouring numbers give other wordings.
    """
    forms = PHRASES[fact.kind]
    if fact.kind == "summary":
        by_kind = {"module": MODULE_SUMMARY, "class": CLASS_SUMMARY, "property": PROPERTY_SUMMARY}
        forms = by_kind.get(document_kind, forms)
    return forms[choice % len(forms)].format(name=fact.subject, detail=fact.detail)
