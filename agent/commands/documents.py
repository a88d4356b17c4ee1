"""What kinds of card are called in a person's language; reads the catalogues."""

from __future__ import annotations

from agent.texts import text

#: How the English names of families begin; a letter follows.
_FAMILIES = {
    "foreigner card ": "document-foreigner",
    "European blue card ": "document-blue",
    "Kids card ": "document-kids",
}
_SINGLE = frozenset({"1", "2", "3", "6", "7", "8"})


def document_type(code: str, name: str, lang: str) -> str:
    """Return what the code of a document type says; `name` is its English name."""
    if lang == "en":
        return name
    for beginning, key in _FAMILIES.items():
        if name.startswith(beginning):
            letter = name.removeprefix(beginning).partition(" ")[0]
            return text(key, lang, letter=letter)
    number = code.lstrip("0")
    if number in _SINGLE:
        return text(f"document-{number}", lang)
    return text("document-unknown", lang, code=code)
