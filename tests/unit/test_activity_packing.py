"""A sweep's rows come back from Redis as they went."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.store.activities import pack_items, unpack_items
from pipeline.sync.activity import Appointment, Task
from tests.history_world import meeting, task

TEXT = st.text(max_size=50)
TIMES = st.none() | st.integers(-(2**63), 2**63)
ITEMS = st.lists(
    st.builds(Task, TEXT, TEXT, TEXT, TEXT, TIMES, st.booleans(), TEXT), max_size=4
)
MEETINGS = st.lists(
    st.builds(Appointment, TEXT, TEXT, TEXT, TIMES, TIMES, TEXT, TEXT, TEXT), max_size=4
)


@given(tasks=ITEMS, meetings=MEETINGS)
@example(tasks=[task()] * 200, meetings=[meeting()] * 200)
@example(tasks=[task("\ud83d", "\x00\U0001f680")], meetings=[])
@settings(max_examples=50, deadline=None)
def test_rows_come_back_from_redis_as_they_went(
    tasks: list[Task], meetings: list[Appointment]
) -> None:
    assert unpack_items("tasks", pack_items(tasks)) == tuple(tasks)
    assert unpack_items("meetings", pack_items(meetings)) == tuple(meetings)
    assert unpack_items("tasks", b"") == ()
