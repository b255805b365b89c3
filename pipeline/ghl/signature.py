"""Whether a webhook really is GHL's: its signatures, and the keys that tell.

`X-GHL-Signature` is Ed25519 over the body as it came, in base64. `X-WH-Signature`, RSA
with PKCS #1 v1.5 and SHA-256, was to end on 2026-09-01 (GHL, "Webhook Integration
Guide", read 2026-11). The keys are GHL's own, the same for every app.
"""

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
)

from pipeline.config import PROCESS_VARIABLES
from pipeline.errors import ConfigError

SIGNATURE = "x-ghl-signature"
LEGACY_SIGNATURE = "x-wh-signature"
PUBLIC_KEY = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
"""Ed25519, as GHL documents it (Webhook Integration Guide, read 2026-11)."""
LEGACY_KEY = """
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSC
Frm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4XHIcBOK4u3cLSqJGOLaPuXw6
dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfB
csedpinheNnyYeFXolrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpv
uxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQGNHOs8gF
3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKU
J062fRtN+rLYZUV+BjafxQauvC8wSWeYja63VSUruvmNj8xkx2zE/Juc+yjLjTXp
IocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzN
h/AMfHKIjE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhC
HULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU53lDza6/Y09T7sYJ
PQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAyk
T1hhTiaCeIY/OwwwNUY2yvcCAwEAAQ==
"""
"""RSA of 4096 bits, as GHL documents it (docs/oauth/WebhookAuthentication.md, read
2026-11)."""


class Headers(Protocol):
    """The headers of a request, as every framework has them."""

    def items(self) -> Iterable[tuple[str, str]]: ...


@dataclass(frozen=True)
class WebhookKeys:
    """The keys that count.

    Args:
        legacy: None where the old signature is not accepted.
    """

    public: Ed25519PublicKey
    legacy: RSAPublicKey | None = None

    @classmethod
    def load(cls, public: str = "", legacy: str | None = None) -> "WebhookKeys":
        """Read keys as PEM, whose line ends may be written `\\n`, or as base64 of DER.

        Args:
            public: "" for the one that GHL documents.
            legacy: the same; None refuses the old signature.

        Raises:
            ConfigError: a key cannot be read; names its variable, not what is in it.
        """
        new = _load(public or PUBLIC_KEY)
        old = None if legacy is None else _load(legacy or LEGACY_KEY)
        known = new if isinstance(new, Ed25519PublicKey) else None
        known_old = old if isinstance(old, RSAPublicKey) else None
        problems = []
        if known is None:
            problems.append(_problem("ghl_webhook_public_key", "Ed25519"))
        if known_old is None and legacy is not None:
            problems.append(_problem("ghl_webhook_legacy_key", "RSA"))
        if known is None or problems:
            raise ConfigError(problems)
        return cls(known, known_old)


def verify(body: bytes, headers: Headers, keys: WebhookKeys) -> bool:
    """Whether GHL signed exactly these bytes; never raises.

    The old signature counts only where its key is given and the new one is absent: one
    that is there and wrong is a forgery, whatever stands beside it.
    """
    new = _values(headers, SIGNATURE)
    if new:
        return _is_signed(body, new, keys.public)
    old = _values(headers, LEGACY_SIGNATURE)
    return keys.legacy is not None and _is_signed(body, old, keys.legacy)


def _values(headers: Headers, wanted: str) -> list[str]:
    return [value for name, value in headers.items() if name.lower() == wanted]


def _is_signed(
    body: bytes, signatures: list[str], key: Ed25519PublicKey | RSAPublicKey
) -> bool:
    if len(signatures) != 1:
        return False
    try:
        # `N/A`, which stands where GHL did not sign, is no base64.
        signature = b64decode(signatures[0].strip(), validate=True)
        if isinstance(key, RSAPublicKey):
            key.verify(signature, body, PKCS1v15(), SHA256())
        else:
            key.verify(signature, body)
    except (ValueError, InvalidSignature):
        return False
    return True


def _load(text: str) -> object:
    """The key, of whatever kind; None where the text holds none."""
    text = text.replace("\\n", "\n").strip()
    try:
        if text.startswith("-----"):
            return load_pem_public_key(text.encode())
        return load_der_public_key(b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None


def _problem(field: str, kind: str) -> str:
    return (
        f"{PROCESS_VARIABLES[field]}: not an {kind} public key; write PEM in one line, "
        "with \\n for its line ends, or leave it empty for the one that GHL documents"
    )
