"""Take away the courtesy around a question: "can you please tell me", "thanks in advance"."""

from __future__ import annotations

from luthier.rag.queries.language import Language, words

_LONGEST = 1000  # characters; what is longer is pasted text, and stays as it is
_FIRST_PERSON = {"I", "I'd", "I'm", "I've", "I’d", "I’m", "I’ve"}


def simplify(text: str, language: Language) -> str:
    """A question without what is only polite, as long as something is left to search for.

    Nothing is taken from within a question, and no phrase with a capital after its first word
    ("Tell Me Lies"), since that is a title.
    """
    if len(text) > _LONGEST:
        return text
    kept = text
    while (shorter := _once(kept, language)) != kept:
        if not language.content(shorter):
            break
        kept = shorter
    return kept


def _once(text: str, language: Language) -> str:
    for pattern in language.start:
        found = pattern.match(text)
        if found and found.end() < len(text) and not _is_title(found.group()):
            rest = text[found.end() :].lstrip(" ,:;.!-")
            if rest and not rest.startswith("?"):
                return rest
    for pattern in language.end:
        found = pattern.search(text)
        if found and found.start() and not _is_title(found.group()):
            close = "?" if "?" in found.group() else ""
            return text[: found.start()].rstrip(" ,;-") + close
    return text


def _is_title(phrase: str) -> bool:
    return any(w[0].isupper() and w not in _FIRST_PERSON for w in words(phrase)[1:])
