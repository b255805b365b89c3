"""What an API key may send with: its templates, and the senders that it has proved."""

from itertools import count

from pipeline.sandbox.wire import Row

TEMPLATES = range(1001, 1011)
DOMAIN = "lighthouse.example"


class Outgoing:
    """Rows of `template` by id, and of `sender` by address; `*@domain` is a whole one.

    From the beginning there are templates 1001 to 1010 and a domain.
    """

    def __init__(self, created: str) -> None:
        self._created = created
        self._sender_ids = count(9_001)
        self.templates: dict[int, Row] = {}
        self.senders: dict[str, Row] = {}
        for template_id in TEMPLATES:
            self.put_template(template_id, f"Template {template_id}")
        self.put_sender(f"*@{DOMAIN}")

    def put_template(self, template_id: int, name: str) -> Row:
        """Add or rename a template."""
        row: Row = {
            "Author": "",
            "Categories": [],
            "Copyright": "",
            "CreatedAt": self._created,
            "Description": "",
            "EditMode": 1,
            "ID": template_id,
            "IsStarred": False,
            "IsTextPartGenerationEnabled": True,
            "LastUpdatedAt": self._created,
            "Locale": "en_US",
            "Name": name,
            "OwnerId": 900_001,
            "OwnerType": "user",
            "Presets": "",
            "Previews": "",
            "Purposes": ["transactional"],
        }
        self.templates[template_id] = row
        return row

    def put_sender(self, email: str, status: str = "Active") -> Row:
        """Add a sender, or change its status."""
        old = self.senders.get(email.lower())
        row: Row = {
            "CreatedAt": self._created,
            "DNSID": 1,
            "Email": email,
            "EmailType": "unknown",
            "Filename": "",
            "ID": old["ID"] if old else next(self._sender_ids),
            "IsDefaultSender": not self.senders,
            "Name": "",
            "Status": status,
        }
        self.senders[email.lower()] = row
        return row

    def may_send_from(self, email: str) -> bool:
        """Whether the address, or else its domain, is an active sender."""
        name = email.lower()
        whole_domain = f"*@{name.partition('@')[2]}"
        row = self.senders.get(name) or self.senders.get(whole_domain)
        return row is not None and row["Status"] == "Active"
