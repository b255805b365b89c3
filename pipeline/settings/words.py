"""Words that a setting may be, and what may have been meant by another."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields


def nearest(typed: object, known: Iterable[str]) -> str:
    """What may have been meant; what was typed is not repeated, it may be a secret."""
    by_fold = {word.casefold(): word for word in known}
    near = get_close_matches(str(typed).casefold(), by_fold, 1)
    if near:
        return f"did you mean {by_fold[near[0]]!r}?"
    return f"there is {', '.join(by_fold.values())}"


class WordField(fields.String):
    """One word of a few.

    Args:
        what: what the words are, such as "direction", for the message.
        words: those that there are.
    """

    def __init__(self, what: str, words: Iterable[str], **kw: Any) -> None:
        super().__init__(**kw)
        self.what = what
        self.words = tuple(words)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        if value not in self.words:
            raise ValidationError(f"no {self.what}; {nearest(value, self.words)}")
        return str(value)


class TagField(fields.String):
    """A tag in lower case, as GHL keeps it: written otherwise it is never found."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kw: Any) -> str:
        tag: str = super()._deserialize(value, attr, data, **kw)
        return tag.strip().lower()


class ExactSchema(Schema):
    """A table of which every key is known; of another the nearest is told."""

    class Meta:
        unknown = RAISE

    what = "this table"

    def typed_keys(self) -> list[str]:
        """The keys that can be typed."""
        return [field.data_key or name for name, field in self.fields.items()]

    def handle_error(self, error: ValidationError, data: Any, **kw: Any) -> None:
        """Say what may have been meant by a key that is unknown."""
        messages = error.messages
        if not isinstance(messages, dict):
            return
        known = {field.data_key or name for name, field in self.fields.items()}
        for key, told in messages.items():
            if key not in known and told == [self.error_messages["unknown"]]:
                messages[key] = [
                    f"no key of {self.what}; {nearest(key, self.typed_keys())}"
                ]
