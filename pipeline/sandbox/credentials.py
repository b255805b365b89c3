"""What a location and an account are known by, and what lets a caller in."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Credentials:
    """Those of one GHL location and one Mailjet account; they open nothing else.

    Args:
        suffix: ends the names of the variables that hold them; the first has none.
    """

    location_id: str
    token: str
    api_key: str
    secret_key: str
    suffix: str

    @classmethod
    def numbered(cls, number: int) -> Self:
        """The same number, the same credentials; numbers begin with 1."""
        tail = "" if number == 1 else f"-{number}"
        return cls(
            location_id=f"sandboxLocation{number:05d}",
            token=f"pit-sandbox{tail}",
            api_key=f"sandbox-key{tail}",
            secret_key=f"sandbox-secret{tail}",
            suffix=tail.replace("-", "_"),
        )

    @property
    def bearer(self) -> str:
        """GHL's `Authorization`."""
        return f"Bearer {self.token}"

    @property
    def basic(self) -> str:
        """Mailjet's `Authorization`."""
        pair = f"{self.api_key}:{self.secret_key}"
        return "Basic " + b64encode(pair.encode()).decode()
