"""Whoever leaves several lists leaves those that there are."""

from collections.abc import Mapping

import pytest

from pipeline.errors import Reach, Rejected
from pipeline.sync.contact import ListAction
from pipeline.sync.unsubscribing import unsubscribe
from tests.tiny_vendors import TinyMailjet


class WithoutLists(TinyMailjet):
    """Refuses a call that names a list which is gone, as a whole."""

    def __init__(self, *gone: int, reach: Reach = Reach.CONNECTION) -> None:
        super().__init__()
        self.gone, self.reach = set(gone), reach
        self.left: list[int] = []

    def manage_lists(self, contact_id: int, actions: Mapping[int, ListAction]) -> None:
        if self.gone & actions.keys():
            raise Rejected("mailjet", "POST", 400, reach=self.reach)
        assert set(actions.values()) == {ListAction.UNSUBSCRIBE}
        self.left += actions


@pytest.mark.parametrize(
    ("gone", "left"),
    [((), [2, 3, 4]), ((3,), [2, 4]), ((2, 3, 4), [])],
)
def test_a_list_that_is_gone_keeps_nobody_on_the_others(
    gone: tuple[int, ...], left: list[int]
) -> None:
    mailjet = WithoutLists(*gone)

    unsubscribe(mailjet, 1, [2, 3, 4])

    assert mailjet.left == left


def test_another_refusal_is_told() -> None:
    with pytest.raises(Rejected):
        unsubscribe(WithoutLists(2, reach=Reach.CONTACT), 1, [2, 3])


def test_without_lists_nothing_is_asked() -> None:
    unsubscribe(WithoutLists(), 1, [])
