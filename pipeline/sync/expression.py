"""A condition or a value over what is known of a contact and of a change.

`pipeline.expressions` makes them of text; this is all that the domain knows of them.
"""

from collections.abc import Mapping
from typing import Protocol


class Expression(Protocol):
    """Compiled text.

    Args:
        text: as the operator wrote it.
        mentions: names of variables in it, such as `contact.city`.
    """

    @property
    def text(self) -> str: ...
    @property
    def mentions(self) -> frozenset[str]: ...

    def __call__(self, facts: Mapping[str, object]) -> object:
        """Its value; of a condition a bool.

        Args:
            facts: variables by name; texts, numbers, lists of texts, and times with
                their zone.

        Raises:
            CannotTell: a variable is missing, or the value cannot be worked out.
        """
