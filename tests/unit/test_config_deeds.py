"""What rules do, as an operator writes it: what it becomes, and what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Connection, from_env
from pipeline.errors import ConfigError
from pipeline.rule_book import rules_of
from pipeline.settings.mapping import CORE_PROPERTIES
from pipeline.sync.deeds import (
    AddTag,
    CallWebhook,
    JoinList,
    KeepSummary,
    MakeTask,
    RemoveTag,
    ScheduleDraft,
    Send,
    SetProperty,
    WriteNote,
)
from pipeline.sync.fields import CORE_ROWS
from pipeline.sync.mail_event import EventKind
from pipeline.sync.rules import Rule
from pipeline.sync.triggers import Trigger
from tests.builders import ENVIRON
from tests.unit.test_config_rules import FILE, toml

HOOK = "https://example.com/hook?key=topsecret"
ISSUE = """
mailjet_list_id = 5
rules = [
  { name = "welcome", on = "created", when = "'lead' in contact.tags", do = [
    { send = 1001, variables = { name = "contact.firstName" } },
  ] },
  { name = "vip", on = "tagged", when = "change.tag == 'vip'", do = [
    { add_to_list = 678 }, { task = "Call {what}", due_days = 1 },
  ] },
  { name = "porto", on = "updated", when = "contact.city == 'Porto'", do = [
    { webhook_env = "ACME_HOOK" },
  ] },
  { name = "reminder", on = "appointment_soon", do = [
    { send = 1002, transactional = true, variables = { at = "appointment.start" } },
  ] },
  { name = "demo", on = "click", when = "event.url.contains('/demo')", do = [
    { add_tag = "Wants-Demo " },
  ] },
]
"""


def connection(path: Path, text: str, **environ: str) -> Connection:
    file = path / "connections.toml"
    file.write_text(FILE + text, "utf-8")
    known = {"ACME_HOOK": HOOK, "SYNC_CONNECTIONS_FILE": str(file)}
    return from_env({**ENVIRON, **known, **environ}).connection("acme")


def rules(path: Path, text: str, **environ: str) -> tuple[Rule, ...]:
    return rules_of(connection(path, text, **environ))


def rule(path: Path, **facts: Any) -> Rule:
    (made,) = rules(path, f"rules = [{toml({'name': 'a', 'on': 'click', **facts})}]")
    return made


def problems(path: Path, text: str, **environ: str) -> list[str]:
    """What is said, without the name of the file and the connection."""
    with pytest.raises(ConfigError) as caught:
        connection(path, text, **environ)
    assert "topsecret" not in str(caught.value)
    return [
        line.removeprefix("connections.toml:").replace("[connections.acme] ", "")
        for line in caught.value.problems
    ]


def problem(path: Path, before: str = "", **facts: Any) -> str:
    """What is said of one rule, which stands in line 7."""
    written = toml({"name": "a", "on": "click", **facts})
    (found,) = problems(path, f"rules = [{written}]\n{before}")
    return found.removeprefix("7: rules[0].")


def test_the_rules_of_the_issue_become_deeds(tmp_path: Path) -> None:
    welcome, vip, porto, reminder, demo = rules(tmp_path, ISSUE)

    assert welcome.on == {Trigger.CREATED}
    assert welcome.when is not None
    assert welcome.when({"contact.tags": ("lead",)}) is True
    (send,) = welcome.deeds(Send)
    assert (send.template_id, send.campaign, send.transactional) == (
        1001,
        "welcome",
        False,
    )
    assert send.variables["name"]({"contact.firstName": "Ann"}) == "Ann"
    assert vip.do == (JoinList(678, "vip"), MakeTask("Call {what}", due_days=1))
    assert porto.do == (CallWebhook("ACME_HOOK", HOOK),)
    assert "topsecret" not in repr(porto)
    assert reminder.hours_before == 24
    assert reminder.deeds(Send)[0].transactional
    assert demo.do == (AddTag("wants-demo"),)


def test_no_secret_address_is_in_what_a_connection_shows(tmp_path: Path) -> None:
    assert "topsecret" not in repr(connection(tmp_path, ISSUE))


@pytest.mark.parametrize(
    ("written", "deed"),
    [
        ({"add_tag": " VIP"}, AddTag("vip")),
        ({"remove_tag": "Lead"}, RemoveTag("lead")),
        ({"task": "Call", "assignee": "u1"}, MakeTask("Call", assignee="u1")),
        ({"note": "Clicked {url} {{x}}"}, WriteNote("Clicked {url} {{x}}")),
        ({"note": "summary"}, KeepSummary()),
        ({"set_property": "level", "value": 5}, SetProperty("level", 5)),
        ({"set_property": "level", "value": 5.5}, SetProperty("level", 5.5)),
        ({"set_property": "level", "value": ""}, SetProperty("level", "")),
        ({"add_to_list": 7}, JoinList(7, "a")),
        ({"add_to_list": 7, "campaign": "Spring "}, JoinList(7, "Spring")),
        (
            {"send": 7, "sender": "us@example.com", "subject": "Hello"},
            Send(7, "a", sender="us@example.com", subject="Hello"),
        ),
        (
            {"draft": 7, "sender": "us@example.com", "subject": "Hello"},
            ScheduleDraft(7, "a", "us@example.com", "Hello"),
        ),
        (
            {
                **{"draft": 7, "sender": "us@example.com", "subject": "Hello"},
                **{"segment": 9, "at_hour": 0, "campaign": "c"},
            },
            ScheduleDraft(7, "c", "us@example.com", "Hello", segment_id=9, at_hour=0),
        ),
        ({"webhook_env": "ACME_HOOK"}, CallWebhook("ACME_HOOK", HOOK)),
    ],
)
def test_every_deed_can_be_written(
    tmp_path: Path, written: dict[str, Any], deed: object
) -> None:
    assert rule(tmp_path, do=written).do == (deed,)
    assert rule(tmp_path, do=[written]).do == (deed,)


def test_a_switch_is_a_value_too(tmp_path: Path) -> None:
    deed = "{ set_property = 'b', value = true }"
    text = f"rules = [{{ name = 'a', on = 'click', do = {deed} }}]"

    (made,) = rules(tmp_path, text)

    assert made.do == (SetProperty("b", True),)


@pytest.mark.parametrize(
    ("facts", "hours"),
    [
        ({"on": "task_due"}, 0),
        ({"on": "task_due", "hours_before": 720}, 720),
        ({"on": "appointment_soon"}, 24),
        ({"on": "appointment_soon", "hours_before": 0}, 0),
        ({"on": "created"}, 0),
    ],
)
def test_hours_before_have_a_default(
    tmp_path: Path, facts: dict[str, Any], hours: int
) -> None:
    assert rule(tmp_path, **facts, do={"add_tag": "t"}).hours_before == hours


def test_who_was_there_before_is_meant_where_it_is_said(tmp_path: Path) -> None:
    text = "rules = [{ name = 'a', on = 'created', existing = true, tag = 't' }]"

    (made,) = rules(tmp_path, text)

    assert made.existing
    assert not rule(tmp_path, on="created", tag="t").existing


def test_a_trigger_of_each_kind_can_be_waited_for(tmp_path: Path) -> None:
    on = [*Trigger, *EventKind]

    assert rule(tmp_path, on=[str(each) for each in on], tag="t").on == {*on}


SENT = {"send": 7}
DRAFT = {"draft": 7, "sender": "us@example.com", "subject": "Hello"}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"when": "contact.cty == 'a'"}, "when: column 1: there is no such name; did"),
        ({"when": "contact.city"}, "when: is a value, not a condition"),
        (
            {"when": "change.tag == 'a'"},
            "when: column 1: change.tag is there on tagged",
        ),
        ({"when": " "}, "when: 1 to 1000 characters"),
        ({"when": 5}, "when: Not a valid string."),
        ({"on": "created", "existing": 5}, "existing: neither true nor false"),
        ({"existing": 1}, 'existing: is about on = "created"'),
        ({"hours_before": 5}, "hours_before: is about task_due and appointment_soon"),
        ({"on": "task_due", "hours_before": 721}, "hours_before: Must be greater than"),
        ({"on": "created", "campaign": "c"}, "campaign: is about events of Mailjet's"),
        ({"tag": "t"}, "7: rules[0]: has tag and do; put all deeds into do = [...]"),
        ({"due_days": 1}, "due_days: is about tasks; put it beside task in do"),
        ({"do": "add_tag"}, 'do: not a table; write { add_tag = "vip" }'),
        ({"do": []}, "do: does nothing; write"),
        ({"do": {}}, "do: needs one of add_tag, remove_tag, task, note, set_property,"),
        ({"do": {"tag": "t"}}, "do: needs one of add_tag, remove_tag,"),
        (
            {"do": {"add_tag": "t", "task": "x"}},
            "do: needs one of add_tag, remove_tag,",
        ),
        ({"do": [SENT, {"add_tga": "t"}]}, "do[1]: needs one of add_tag, remove_tag,"),
        (
            {"do": {**SENT, "due_days": 1}},
            "do.due_days: no key of this deed; there is s",
        ),
        (
            {"do": {**SENT, "varables": {}}},
            "do.varables: no key of this deed; did you ",
        ),
        ({"do": {"add_tag": " "}}, "do.add_tag: 1 to 100 characters"),
        ({"do": {"add_tag": "Mailjet-Bounced"}}, "do.add_tag: is a mark of ours"),
        ({"do": {"remove_tag": "mailjet-bounced"}}, "do.remove_tag: is a mark of ours"),
        ({"do": {"task": "{what}{wen}"}}, "do.task: cannot be filled in; did you mean"),
        ({"do": {"task": "{what}"}}, "do.task: {what} is there on tagged, task_due, a"),
        (
            {"on": "tagged", "do": [SENT, {"note": "{url}"}]},
            "do[1].note: {url} is there on click alone",
        ),
        ({"do": {"note": "{"}}, "do.note: a brace is open"),
        ({"do": {"note": " "}}, "do.note: is empty"),
        ({"do": {"task": "a", "due_days": 366}}, "do.due_days: Must be greater than"),
        (
            {"do": {"set_property": "Level", "value": 1}},
            "do.set_property: use a-z, 0-9",
        ),
        (
            {"do": {"set_property": "a" * 51, "value": 1}},
            "do.set_property: use a-z, 0-9",
        ),
        (
            {"do": {"set_property": "ghl_a", "value": 1}},
            "do.set_property: is a property",
        ),
        (
            {"do": {"set_property": "note", "value": 1}},
            "do.set_property: is a property",
        ),
        ({"do": {"set_property": "a"}}, "do.value: missing"),
        (
            {"do": {"set_property": "a", "value": [1]}},
            "do.value: no text of at most 500",
        ),
        ({"do": {"set_property": "a", "value": 2**63}}, "do.value: no text of at most"),
        (
            {"do": {"add_to_list": 0}},
            "do.add_to_list: Must be greater than or equal to",
        ),
        ({"do": {"add_to_list": "7"}}, "do.add_to_list: not a whole number"),
        ({"do": {"send": 1, "campaign": "a\\tb"}}, "do.campaign: must be one line"),
        ({"do": {"send": 1, "sender": "us"}}, "do.sender: Not a valid email address."),
        ({"do": {"send": 1, "subject": "a" * 256}}, "do.subject: 1 to 255 characters"),
        (
            {"do": {"send": 1, "variables": 5}},
            "do.variables: not a table; write { name",
        ),
        (
            {"do": {"send": 1, "variables": {"a": 5}}},
            "do.variables.a: no text; write an",
        ),
        (
            {"do": {"send": 1, "variables": {"1a": "1"}}},
            "do.variables.1a: use A-Z, a-z",
        ),
        (
            {"do": [SENT, {"send": 2, "campaign": "b", "variables": {"a": "naw"}}]},
            "do[1].variables.a: column 1: there is no such name; did you mean 'now'?",
        ),
        (
            {"do": {"send": 1, "variables": {"a": "[1]"}}},
            "do.variables.a: is no text, n",
        ),
        ({"do": {"draft": 7, "subject": "a"}}, "do.sender: missing"),
        # The day must stay readable behind it, or the next one is taken for this one.
        ({"do": {**DRAFT, "campaign": "a" * 81}}, "do.campaign: 1 to 80 characters"),
        ({"do": {**DRAFT, "at_hour": 24}}, "do.at_hour: Must be greater than or equal"),
        ({"do": {**DRAFT, "segment": 0}}, "do.segment: Must be greater than or equal"),
        (
            {"do": [SENT, {"send": 8}]},
            "do[1].send: is there twice in this rule; give it",
        ),
        (
            {"do": [{"task": "a"}, {"task": "b"}]},
            "do[1].task: is there twice in this rule; one is enough",
        ),
        (
            {"do": [{"note": "a"}, {"note": "summary"}]},
            "do[1].note: is there twice in this rule; one is enough",
        ),
        ({"do": [{"add_tag": "a"}, {"add_tag": "a"}]}, "do[1].add_tag: is there twice"),
        ({"on": "created", "note": "summary"}, "note: tells of events of Mailjet's; "),
        (
            {"on": "created", "do": {"note": "summary"}},
            "do.note: a summary tells of ev",
        ),
        (
            {"do": {"webhook_env": HOOK}},
            "do.webhook_env: no name of a variable; the URL",
        ),
        (
            {"do": [{"webhook_env": "NO_HOOK"}]},
            "do[0].webhook_env: NO_HOOK is not set;",
        ),
    ],
)
def test_what_is_wrong_with_a_deed_is_said(
    tmp_path: Path, facts: dict[str, Any], told: str
) -> None:
    doing = {} if {"do", "tag", "task", "note"} & facts.keys() else {"task": "x"}
    if facts in ({"tag": "t"}, {"due_days": 1}):
        doing = {"do": SENT}

    assert problem(tmp_path, **{**doing, **facts}).startswith(told)


@pytest.mark.parametrize(
    "deeds",
    [
        [SENT, {"send": 8, "campaign": "b"}],
        [SENT, {"add_to_list": 7}, DRAFT],
        [{"add_tag": "a"}, {"add_tag": "b"}, {"task": "a"}, {"note": "b"}],
    ],
)
def test_different_deeds_stand_side_by_side(tmp_path: Path, deeds: list[Any]) -> None:
    assert len(rule(tmp_path, do=deeds).do) == len(deeds)


@pytest.mark.parametrize(
    ("before", "deed", "told"),
    [
        ("", {"set_property": "city", "value": "a"}, "is written by the mapping"),
        (
            'fields = [{ ghl = "city", mailjet = "town" }]',
            {"set_property": "town", "value": "a"},
            "is written by the mapping",
        ),
        (
            'tags = [{ tag = "vip", property = "is_vip" }]',
            {"set_property": "is_vip", "value": "a"},
            "is written by the mapping",
        ),
        ("mailjet_list_id = 5", {"add_to_list": 5}, "is the list that is kept"),
        ("tag_lists = { vip = 6 }", {"add_to_list": 6}, "is kept by the mapping"),
        ('confirmation_tag = "in"', {"remove_tag": "in"}, "is the mark of ours"),
    ],
)
def test_rules_and_the_mapping_are_not_after_the_same_thing(
    tmp_path: Path, before: str, deed: dict[str, Any], told: str
) -> None:
    (key, *_) = deed

    assert problem(tmp_path, before, do=[deed]).startswith(f"do[0].{key}: {told}")


def test_without_the_default_mapping_its_properties_are_free(tmp_path: Path) -> None:
    fields = 'fields = [{ ghl = "city", mailjet = "town" }]'
    deed = {"set_property": "city", "value": 1}
    text = f"{fields}\nrules = [{toml({'name': 'a', 'on': 'open', 'do': deed})}]"

    assert rules(tmp_path, text)[0].do == (SetProperty("city", 1),)


def test_a_property_has_one_type(tmp_path: Path) -> None:
    row = "{{ name = '{}', on = 'open', do = {{ set_property = 'a', value = {} }} }}"
    text = ", ".join([row.format("a", 1), row.format("b", 2), row.format("c", "'x'")])

    assert problems(tmp_path, f"rules = [{text}]") == [
        "7: rules[2].do.set_property: is set to a value of another type by another rule"
    ]


def test_the_default_mapping_is_known_to_rules() -> None:
    assert set(CORE_PROPERTIES) == {row.column for row in CORE_ROWS}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.com/topsecret", "must be https (http is for loopback"),
        ("ftp://example.com/topsecret", "not an http(s) address"),
        ("topsecret", "not an http(s) address"),
        ("https://user:topsecret@example.com/", "not an address to post to"),
        ("https://example.com/top secret", "not an address to post to"),
        (f"https://example.com/{'topsecret' * 300}", "not an address to post to"),
        ("https://[::1/topsecret", "not an http(s) address"),
        ("", "is not set; put it in .env"),
    ],
)
def test_the_address_of_a_webhook_is_checked_and_not_shown(
    tmp_path: Path, url: str, told: str
) -> None:
    found = problems(tmp_path, ISSUE, ACME_HOOK=url)

    assert [line.partition(told)[0] for line in found] == [
        "17: rules[2].do[0].webhook_env: ACME_HOOK "
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/a", "https://example.com?b=1"])
def test_a_webhook_may_be_on_this_machine(tmp_path: Path, url: str) -> None:
    (made,) = rules(tmp_path, ISSUE, ACME_HOOK=url)[2].do

    assert made == CallWebhook("ACME_HOOK", url)


def test_each_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = """
rules = [
  { name = "a", on = "tagged", when = "change.tga == 'x'", do = [
    { add_tag = "t" },
    { set_property = "city", value = 1 },
  ] },
]
[[connections.acme.fields]]
ghl = "city"
mailjet = "city"
"""
    bad = text.replace('"t"', '""').replace("tga", "tag")

    assert [line.partition(": column")[0] for line in problems(tmp_path, text)] == [
        "9: rules[0].when",
    ]
    assert problems(tmp_path, text.replace("tga", "tag")) == [
        "11: rules[0].do[1].set_property: is written by the mapping; choose another "
        "name"
    ]
    assert problems(tmp_path, bad) == [
        "10: rules[0].do[0].add_tag: 1 to 100 characters"
    ]
