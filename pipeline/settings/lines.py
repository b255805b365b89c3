"""On which line of a TOML file a key stands; `tomllib` tells what, but not where.

The file is read by `tomllib`; this looks at its syntax alone, so that a file with
mistakes of meaning can be spoken of line by line.
"""

import tomllib
from collections.abc import Iterator, Mapping

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]
"""`("connections", "acme", "fields", 2, "direction")`."""

KEYS = ("bare_key", "quoted_key", "dotted_key")


class Lines:
    """The lines, from 1, of all tables, keys and items of a text that is TOML."""

    def __init__(self, text: str) -> None:
        language = Language(tree_sitter_toml.language())
        root = Parser(language).parse(text.encode()).root_node
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        self._walk(root, ())

    @property
    def all(self) -> Mapping[Path, int]:
        """Path to line."""
        return self._lines

    def of(self, path: Path) -> int:
        """The line of that path, or of the innermost table around it that is there."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _walk(self, node: Node, within: Path) -> None:
        for child in node.named_children:
            if child.type == "pair":
                self._pair(child, within)
            elif child.type in ("table", "table_array_element"):
                place = self._place(_keys(child), child.type != "table")
                self._note(place, child)
                self._walk(child, place)

    def _place(self, keys: Path, is_item: bool) -> Path:
        """Where a header leads: through the last item of each array of tables."""
        place: Path = ()
        for number, key in enumerate(keys, 1):
            place = (*place, key)
            if number == len(keys) and is_item:
                self._counts[place] = self._counts.get(place, 0) + 1
            if count := self._counts.get(place):
                place = (*place, count - 1)
        return place

    def _pair(self, pair: Node, within: Path) -> None:
        path = within
        for key in _keys(pair):
            path = (*path, key)
            self._note(path, pair)
        self._value(pair.named_children[-1], path)

    def _value(self, node: Node, path: Path) -> None:
        if node.type == "inline_table":
            self._walk(node, path)
        elif node.type == "array":
            items = [item for item in node.named_children if item.type != "comment"]
            for index, item in enumerate(items):
                self._note((*path, index), item)
                self._value(item, (*path, index))

    def _note(self, path: Path, node: Node) -> None:
        for end in range(1, len(path) + 1):
            self._lines.setdefault(path[:end], node.start_point.row + 1)


def _keys(node: Node) -> tuple[str, ...]:
    """The key of a pair or a header; each part without its quotes."""
    typed = next(child for child in node.named_children if child.type in KEYS)
    text = (typed.text or b"").decode()
    return tuple(_parts(tomllib.loads(f"{text} = 0")))


def _parts(table: object) -> Iterator[str]:
    while isinstance(table, dict):
        [(key, table)] = table.items()
        yield key
