"""The order in which the engine lists the entries of a context.

Its contexts are immutable Scala maps: up to four entries keep their order of insertion. More entries are in a
hash trie (5 bits of the hash for each level), and are listed level by level. That order is visible in
`get entries`, `string` and `to json`, so it is reproduced.
"""

from __future__ import annotations

from typing import Any

_ORDERED_ENTRIES = 4
_WORD = 0xFFFFFFFF


def entries(context: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return keys and values in the engine's order."""
    if len(context) <= _ORDERED_ENTRIES:
        return list(context.items())
    keys = [(_improved(_java_hash(key)), key) for key in context]
    return [(key, context[key]) for key in _listed(keys)]


def _java_hash(text: str) -> int:
    """Return `String.hashCode`, unsigned."""
    units = text.encode("utf-16-be", "surrogatepass")
    result = 0
    for high, low in zip(units[::2], units[1::2], strict=True):
        result = (31 * result + (high << 8 | low)) & _WORD
    return result


def _improved(hashed: int) -> int:
    """Improve a hash as Scala does: spread it over all bits."""
    hashed = (hashed + (~(hashed << 9) & _WORD)) & _WORD
    hashed ^= hashed >> 14
    hashed = (hashed + (hashed << 4)) & _WORD
    return hashed ^ (hashed >> 10)


def _listed(keys: list[tuple[int, str]], shift: int = 0) -> list[str]:
    """Return a node's own keys, then those of its children; each ordered by their five bits of the hash."""
    if shift > 30:
        return [key for _, key in keys]
    places: dict[int, list[tuple[int, str]]] = {}
    for hashed, key in keys:
        places.setdefault(hashed >> shift & 31, []).append((hashed, key))
    nodes = [places[place] for place in sorted(places)]
    own = [node[0][1] for node in nodes if len(node) == 1]
    return own + [key for node in nodes if len(node) > 1 for key in _listed(node, shift + 5)]
