"""The mapping as an operator writes it: rows, or every mistake with its line."""

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Connection, from_env
from pipeline.errors import ConfigError
from pipeline.ghl.schemas import ContactSchema, UpdateContactSchema
from pipeline.settings.lines import Lines
from pipeline.settings.mapping import DIRECTIONS, OWNERS, READABLE, TYPES, WRITABLE
from pipeline.settings.problems import load
from pipeline.settings.rows import OWN_TAGS
from pipeline.settings.schema import ConnectionSchema
from pipeline.sync import blocking
from tests.builders import ENVIRON, make_environ

HEADER = """
[connections.acme]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "loc1"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
mailjet_list_id = 10
"""
FIRST_LINE = 8
INNER_KEYS = ("ghl", "mailjet", "transforms", "tag", "list", "id", "on", "map", "join")
scalars = st.sampled_from([True, 0, 1.5, "", "core", "*", datetime(2026, 11, 28)])
loose = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(INNER_KEYS), inner, max_size=2)
    ),
    max_leaves=3,
)
rows = st.dictionaries(st.sampled_from(INNER_KEYS), loose | st.lists(loose), min_size=1)
typed_values = loose | st.lists(rows, min_size=1, max_size=3)
"""Whatever TOML can hold, with keys of ours."""


def read(path: Path, text: str) -> Connection:
    """A connection of a file whose first line of `text` is the eighth."""
    file = path / "connections.toml"
    file.write_text(HEADER + text, "utf-8")
    settings = from_env({**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)})
    return settings.connection("acme")


def problems(path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(path, text)
    return list(caught.value.problems)


def row(ghl: str, column: str, **facts: Any) -> dict[str, Any]:
    return {
        "ghl": ghl,
        "column": column,
        "datatype": "str",
        "direction": "->",
        "owner": "ghl",
        "transforms": (),
        "clears": False,
        **facts,
    }


def test_what_can_be_mapped_is_what_the_schemas_of_ghl_know() -> None:
    own = {"id", "locationId", "email", "tags", "dnd", "firstNameRaw", "lastNameRaw"}
    read = {n for n, f in ContactSchema().fields.items() if f.data_key in (None, n)}
    written = set(UpdateContactSchema().fields)
    others = {"dndSettings", "inboundDndSettings", "customFields"}

    assert set(READABLE) == read - own | {"dateAdded", "businessId"}
    assert set(WRITABLE) == written - own - others


def test_without_a_word_the_core_mapping_holds() -> None:
    connection = from_env(make_environ()).connection("default")

    assert connection.core_fields
    assert connection.rows == ()


def test_a_field_is_a_row(tmp_path: Path) -> None:
    text = """
fields = [
  { ghl = "contact.plan", mailjet = "plan" },
  { ghl = "city", mailjet = "city", direction = "<->", owner = "newer" },
  { ghl = "source", mailjet = "came_from", direction = "<-" },
  { ghl = "contact.budget", mailjet = "budget", type = "float", empty = "clear" },
  { ghl = "contact.a", mailjet = "a", transforms = ["trim", { default = 0 }] },
  { ghl = "contact.b", mailjet = "b", transforms = [{ join = ";" }] },
  { ghl = "contact.c", mailjet = "c", transforms = [{ map = { a = true } }] },
]
"""

    connection = read(tmp_path, text)

    assert not connection.core_fields
    assert connection.rows == (
        row("contact.plan", "plan"),
        row("city", "city", direction="<->", owner="newer"),
        row("source", "came_from", direction="<-", owner="mailjet"),
        row("contact.budget", "budget", datatype="float", clears=True),
        row("contact.a", "a", transforms=(("trim", None), ("default", "0"))),
        row("contact.b", "b", transforms=(("join", ";"),)),
        row("contact.c", "c", transforms=(("map", (("a", "true"),)),)),
    )


def test_tags_lists_and_businesses_are_rows_too(tmp_path: Path) -> None:
    text = """
fields = ["core"]
tags = [
  { tag = "VIP ", list = 678, direction = "<->" },
  { tag = "lead", property = "is_lead" },
]
tag_lists = { gold = 679 }
businesses = [ { id = "b1", list = 910 }, { id = "b2" }, "b3" ]
"""

    connection = read(tmp_path, text)

    assert connection.core_fields
    assert connection.rows == (
        row("tag:vip", "list:678", datatype="bool", direction="<->"),
        row("tag:lead", "is_lead", datatype="bool"),
        row("business:b1", "list:910", datatype="bool"),
        row("tag:gold", "list:679", datatype="bool"),
    )
    assert connection.ghl_business_ids == ("b1", "b2", "b3")


def test_a_schedule_of_its_own_wins_over_that_of_all(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    table = "[connections.acme.schedule]\nbulk_hours = '22-3'\nreport_hour = 4\n"
    second = HEADER.replace("acme", "other").replace("loc1", "loc2")
    file.write_text(HEADER + table + second, "utf-8")
    environ = {**ENVIRON, "SYNC_CONNECTIONS_FILE": str(file)}

    found = from_env({**environ, "SYNC_REPORT_HOUR": "7", "SYNC_BULK_HOURS": "2-4"})

    acme, other = (connection.schedule for connection in found.connections)
    assert (acme.bulk_hours, acme.report_hour) == ((22, 3), 4)
    assert (other.bulk_hours, other.report_hour) == ((2, 4), 7)
    assert acme.changes_interval_seconds == other.changes_interval_seconds == 60


WRONG_ROWS = {
    '{ ghl = "firstname", mailjet = "a" }': ".ghl: no field of GHL's; did you mean "
    "'firstName'?",
    '{ ghl = "%%", mailjet = "a" }': ".ghl: no field of GHL's; there is firstName, ",
    '{ ghl = "email", mailjet = "a" }': ".ghl: the address is who somebody is",
    '{ ghl = "tags", mailjet = "a" }': ".ghl: is carried as ghl_tags; single tags ",
    '{ ghl = 5, mailjet = "a" }': ".ghl: Not a valid string.",
    '{ ghl = "contact.", mailjet = "a" }': ".ghl: no field of GHL's; did you mean ",
    '{ mailjet = "a" }': ".ghl: missing",
    '{ ghl = "city", mailjet = "City" }': ".mailjet: Mailjet lower-cases names",
    '{ ghl = "city", mailjet = "ci-ty" }': ".mailjet: no name of a property; use a-z",
    '{ ghl = "city", mailjet = "ghl_tags" }': ".mailjet: is a property of ours; ",
    '{ ghl = "city", mailjet = "note" }': ".mailjet: is a property of ours; ",
    '{ ghl = "city", mailjet = "a", typ = "str" }': ".typ: no key of a field; did you "
    "mean 'type'?",
    '{ ghl = "city", mailjet = "a", type = "string" }': ".type: no type of Mailjet's; "
    "did you mean 'str'?",
    '{ ghl = "city", mailjet = "a", direction = "<>" }': ".direction: no direction; "
    "did you mean '<->'?",
    '{ ghl = "city", mailjet = "a", owner = "ghl" }': ".owner: decides where both ",
    '{ ghl = "city", mailjet = "a", direction = "<->", owner = "new" }': ".owner: no "
    "owner; did you mean 'newer'?",
    '{ ghl = "city", mailjet = "a", empty = true }': ".empty: no way with an empty ",
    '{ ghl = "companyName", mailjet = "a", direction = "<-" }': ".direction: GHL does "
    "not let companyName be written",
    '{ ghl = "dateAdded", mailjet = "a", direction = "<->" }': ".direction: GHL does ",
    '{ ghl = "city", mailjet = "a", transforms = "trim" }': ".transforms: not a list",
    '{ ghl = "city", mailjet = "a", transforms = ["trim", "trm"] }': ".transforms[1]: "
    "no transform; did you mean 'trim'?",
    '{ ghl = "city", mailjet = "a", transforms = ["join"] }': ".transforms[0]: join "
    'needs more; write { join = ", " }',
    '{ ghl = "city", mailjet = "a", transforms = [{ trim = 1 }] }': ".transforms[0]: "
    'trim takes nothing; write "trim"',
    '{ ghl = "city", mailjet = "a", transforms = [{ map = 1 }] }': ".transforms[0]: "
    "map is written { map = ",
    '{ ghl = "city", mailjet = "a", transforms = [{ default = [] }] }': ".transforms"
    "[0]: default is written ",
    '{ ghl = "city", mailjet = "a", transforms = ["trim", "trim"] }': ".transforms: "
    "trim: is there twice",
    '{ ghl = "city", mailjet = "a", direction = "<->", transforms = [{ map = { a = '
    '"x", b = "x" } }] }': ".transforms[0]: has two names for one value",
    '{ ghl = "city", mailjet = "a", direction = "<->", transforms = [{ join = "," '
    "}] }": ".transforms[0]: city is one text",
    '"cor"': ': neither "core" nor a table',
    "5": ': neither "core" nor a table',
}


@pytest.mark.parametrize("typed", WRONG_ROWS)
def test_what_is_wrong_with_a_field_is_said(tmp_path: Path, typed: str) -> None:
    text = f'fields = [\n  "core",\n  {typed},\n]\n'

    (found,) = problems(tmp_path, text)

    where = f"connections.toml:{FIRST_LINE + 2}: [connections.acme] fields[1]"
    assert found.startswith(where + WRONG_ROWS[typed])


WRONG_TABLES = {
    'fields = "core"': "fields: not a list; write ",
    'fields = ["core", "core"]': "fields[1]: is there twice",
    'fields = [{ ghl = "city", mailjet = "a" }, { ghl = "state", mailjet = "a" }]': (
        "fields[1].mailjet: is written by another row as well"
    ),
    'fields = [{ ghl = "city", mailjet = "a", direction = "<-" }, '
    '{ ghl = "city", mailjet = "b", direction = "<->" }]': (
        "fields[1].ghl: is written back by another row as well"
    ),
    "tags = { vip = 5 }": "tags: not a list; write ",
    'tags = ["vip"]': "tags[0]: not a table; write ",
    'tags = [{ tag = "vip" }]': "tags[0]: needs one of list and property",
    'tags = [{ tag = "vip", list = 5, property = "vip" }]': "tags[0]: needs one of ",
    'tags = [{ tag = "vip", lst = 5, property = "vip" }]': "tags[0].lst: no key of a "
    "tag; did you mean 'list'?",
    'tags = [{ tag = "vip", list = 0 }]': "tags[0].list: Must be greater than or ",
    'tags = [{ tag = "vip", list = 10 }]': "tags[0].list: names the list that is kept",
    'tags = [{ tag = "vip", list = 5 }, { tag = "VIP", list = 5 }]': (
        "tags[1].list: is there twice"
    ),
    'tags = [{ tag = "vip", list = 5 }]\ntag_lists = { vip = 5 }': (
        "tag_lists.vip: is there twice"
    ),
    'tags = [{ tag = "a", list = 5, direction = "<-" }, { tag = "b", list = 5 }]': (
        "tags[1].list: is that of another row, so its members tell nothing"
    ),
    'tags = [{ tag = "a", property = "x" }, { tag = "b", property = "x" }]': (
        "tags[1].property: is written by another row as well"
    ),
    'tags = [{ tag = "a", list = 5, direction = "<-" }, '
    '{ tag = "a", list = 6, direction = "<-" }]': (
        "tags[1].tag: is written back by another row as well"
    ),
    'confirmation_tag = "In"\ntags = [{ tag = "in", list = 5 }]': (
        "tags[0].tag: is the mark of ours (confirmation_tag)"
    ),
    'tags = [{ tag = "Mailjet-Bounced", list = 5, direction = "<->" }]': (
        "tags[0].tag: is a mark of ours, which only leads to Mailjet"
    ),
    'businesses = [{ id = "b1", list = 10 }]': "businesses[0].list: names the list ",
    'businesses = ["*", { id = "*", list = 5 }]': "businesses[1].id: no id of GHL's",
    'businesses = ["b1", { id = "b1", list = 5 }]': "businesses[1]: is there twice",
    'businesses = ["b1"]\nghl_business_ids = ["b1"]': "ghl_business_ids: stands in ",
    'businesses = [{ id = "b1", list = 5 }]\ntags = [{ tag = "a", list = 5 }]': (
        "businesses[0].list: is that of a tag and of a business; use two lists"
    ),
    "schedule = { bulk_hour = '1-5' }": "schedule.bulk_hour: no key of a schedule; did "
    "you mean 'bulk_hours'?",
    "schedule = { bulk_hours = '1' }": "schedule.bulk_hours: not a pair of hours",
    "schedule = { report_hour = 24 }": "schedule.report_hour: Must be greater ",
    "schedule = 5": "schedule: Invalid input type.",
    "shedule = {}": "shedule: no key of a connection; did you mean 'schedule'?",
    "name = 'x'": "name: the name stands in the header",
}


@pytest.mark.parametrize("typed", WRONG_TABLES)
def test_what_is_wrong_with_a_connection_is_said(tmp_path: Path, typed: str) -> None:
    (found,) = problems(tmp_path, f"{typed}\n")

    line = FIRST_LINE + (found.startswith("connections.toml:9:"))
    where = f"connections.toml:{line}: [connections.acme] "
    assert found.startswith(where + WRONG_TABLES[typed])


def test_a_connection_that_is_a_copy_of_another_is_told(tmp_path: Path) -> None:
    [told] = problems(tmp_path, HEADER.replace("connections.acme", "connections.b"))

    assert told.endswith(
        "[connections.b] the same location, Mailjet key and list as [connections.acme]"
    )


def test_every_mistake_of_all_connections_is_told_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    text = """fields = [
  { ghl = "ctiy", mailjet = "City" },
]
[[connections.acme.rules]]
name = "a"
on = "opn"
tag = "t"
[[connections.acme.rules]]
name = "b"
[connections.acme.schedule]
report_hour = "noon"
[connection.other]
x = 1
"""

    told = [line.partition(": no ")[0] for line in problems(tmp_path, text)]

    assert [line.rpartition(" Missing")[0] or line for line in told] == [
        "connections.toml:9: [connections.acme] fields[0].ghl",
        "connections.toml:9: [connections.acme] fields[0].mailjet: Mailjet lower-cases "
        "names: write it so",
        "connections.toml:13: [connections.acme] rules[0].on",
        "connections.toml:15: [connections.acme] rules[1].on: missing",
        "connections.toml:15: [connections.acme] rules[1]: needs one of tag, task, "
        "note and do",
        "connections.toml:18: [connections.acme] schedule.report_hour: not a "
        "whole number",
        "connections.toml:19: [connection] no table of this file; did you mean "
        "'connections'?",
    ]


def test_a_file_that_is_no_toml_keeps_its_line(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "fields = [\n  'core'\n  5\n]\n")

    assert found == (
        "connections.toml:10: the array does not go on like this; is a comma missing "
        "before? (column 3)"
    )


def test_a_key_that_is_there_twice_is_told(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "note_length = 20\nnote_length = 30\n")

    assert "toml:9: this key was written before (column" in found


def test_a_policy_that_is_misspelt_is_told_the_nearest(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, 'deletions = "ersae"\n')

    assert found.endswith("deletions: no policy; did you mean 'erase'?")


@given(marker=st.from_regex(r"[A-Za-z0-9]{12}", fullmatch=True))
@settings(max_examples=30, deadline=None)
def test_what_was_typed_as_a_value_is_not_repeated(
    tmp_path_factory: pytest.TempPathFactory, marker: str
) -> None:
    words = ", ".join(
        f'{key} = "x{marker}"'
        for key in ("ghl", "mailjet", "type", "direction", "owner", "empty")
    )
    text = f"""fields = [ {{ {words}, transforms = ["x{marker}"] }}, "x{marker}" ]
tags = [ {{ tag = "x{marker}", list = "x{marker}", direction = "x{marker}" }} ]
businesses = [ "-x{marker}" ]
schedule = {{ bulk_hours = "x{marker}", report_hour = "x{marker}" }}
"""

    found = problems(tmp_path_factory.mktemp("toml"), text)

    assert len(found) > 8
    assert marker not in "\n".join(found)


@given(
    direction=st.sampled_from(DIRECTIONS),
    owner=st.sampled_from(OWNERS),
    datatype=st.sampled_from(TYPES),
    ghl=st.sampled_from([*WRITABLE, "contact.plan"]),
)
@settings(max_examples=30, deadline=None)
def test_every_known_word_makes_a_row(
    tmp_path_factory: pytest.TempPathFactory,
    direction: str,
    owner: str,
    datatype: str,
    ghl: str,
) -> None:
    decides = f', owner = "{owner}"' if direction == "<->" else ""
    text = f'fields = [{{ ghl = "{ghl}", mailjet = "a", type = "{datatype}", '
    text += f'direction = "{direction}"{decides} }}]'

    (found,) = read(tmp_path_factory.mktemp("toml"), text).rows

    wins = {"->": "ghl", "<-": "mailjet", "<->": owner}[direction]
    wanted = {"datatype": datatype, "direction": direction, "owner": wins}
    assert found == row(ghl, "a", **wanted)


@given(
    values=st.dictionaries(
        st.sampled_from(ConnectionSchema().typed_keys()), typed_values, max_size=4
    )
)
@settings(max_examples=100, deadline=None)
def test_nothing_that_is_typed_is_more_than_a_problem(values: dict[str, Any]) -> None:
    loaded, problems = load(ConnectionSchema(), {"name": "acme", **values})

    assert loaded == {}
    assert all(isinstance(what, str) for _, what in problems)


def test_each_key_and_item_has_its_line() -> None:
    text = """a.b = 1 # c
[t]
"x y" = { q = [1, # c
  2, { z = 3 }], w.e = 4 }
[[t.r]]
n = 1
[t.r.s]
m = 1
[[t.r]]
n = 2
"""

    lines = Lines(text)

    assert {path: line for path, line in lines.all.items() if len(path) > 1} == {
        ("a", "b"): 1,
        ("t", "x y"): 3,
        ("t", "x y", "q"): 3,
        ("t", "x y", "q", 0): 3,
        ("t", "x y", "q", 1): 4,
        ("t", "x y", "q", 2): 4,
        ("t", "x y", "q", 2, "z"): 4,
        ("t", "x y", "w"): 4,
        ("t", "x y", "w", "e"): 4,
        ("t", "r"): 5,
        ("t", "r", 0): 5,
        ("t", "r", 0, "n"): 6,
        ("t", "r", 0, "s"): 7,
        ("t", "r", 0, "s", "m"): 8,
        ("t", "r", 1): 9,
        ("t", "r", 1, "n"): 10,
    }
    assert lines.of(("t", "r", 1, "missing", "deep")) == 9
    assert lines.of(("nowhere",)) == 1
    assert tomllib.loads(text)["t"]["r"][1]["n"] == 2


def test_every_mark_of_ours_is_kept_from_rows_that_lead_back() -> None:
    assert OWN_TAGS == blocking.TAGS
