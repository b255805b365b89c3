"""`template` and `sender`, as far as one asks whether there is such a one.

Source: the types of Mailjet's Node client, read 2026-11.
"""

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.errors import not_found
from pipeline.sandbox.mailjet.reading import envelope, filters, page
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()


@routes("GET", "/v3/REST/template")
def list_templates(account: Account, call: Call) -> Answer:
    rows = account.outgoing.templates.values()
    return _listed(account, call, list(rows), "Name", "OwnerType")


@routes("GET", "/v3/REST/template/:template")
def get_template(account: Account, call: Call) -> Answer:
    return envelope([_template(account, call)])


@routes("GET", "/v3/REST/template/:template/detailcontent")
def get_content(account: Account, call: Call) -> Answer:
    """Texts that tell which template they are of."""
    name = _template(account, call)["Name"]
    content = {
        "Headers": {"Subject": name},
        "Html-part": f"<p>{name}</p>",
        "MJMLContent": "",
        "Text-part": name,
    }
    return envelope([content])


@routes("GET", "/v3/REST/sender")
def list_senders(account: Account, call: Call) -> Answer:
    """Addresses and, as `*@domain`, whole domains."""
    rows = account.outgoing.senders.values()
    return _listed(account, call, list(rows), "Email", "Status")


def _template(account: Account, call: Call) -> Row:
    named = call.params["template"]
    row = account.outgoing.templates.get(int(named)) if named.isdecimal() else None
    if row is None:
        raise not_found()
    return row


def _listed(account: Account, call: Call, rows: list[Row], *fields: str) -> Answer:
    given = filters(call, frozenset(fields))
    rows = [row for row in rows if given.items() <= row.items()]
    return page(account, call, rows, lambda row: row)
