"""The Marketplace app of the location: it is told of every change, signed.

Source: HighLevel's Webhook Integration Guide and `docs/oauth/WebhookAuthentication.md`,
read 2026-11: a post that is not answered by 2xx is repeated up to 12 times, later and
later. The schedule is not published.
"""

import json
import random
from base64 import b64encode
from hashlib import sha256
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.sandbox.ghl.announcements import announcements
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.outbox import Outbox, Parcel, is_on_this_machine, pause
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Row

SIGNATURE = "X-GHL-Signature"
APP: Row = {"appId": "sandboxApp00000000000001", "versionId": "sandboxApp0000000000v1"}
RETRIES = 12
JITTER = 0.25


class Webhooks:
    """Posts to the app's one default URL.

    Args:
        location_id: of which they tell.
        seed: the same seed, the same signing key.
        public_key: what the receiver checks with: DER in base64.
    """

    def __init__(
        self, location_id: str, settings: Settings, outbox: Outbox, seed: int
    ) -> None:
        self._location_id = location_id
        self.url: str | None = None
        self._settings = settings
        self._outbox = outbox
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        seeded = sha256(f"GHL webhooks of sandbox {seed}".encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seeded)
        der = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = b64encode(der).decode()

    def send_to(self, url: str | None) -> None:
        """Choose where they go; what waits for another address is given up.

        Raises:
            ValueError: it is not on this machine.
        """
        if url is not None and not is_on_this_machine(url):
            raise ValueError("webhooks go to this machine only")
        self.url = url

    def changed(self, kind: str, old: Row | None, new: Row | None) -> None:
        """Tell of a change, if somebody listens."""
        if self.url is None:
            return
        for announcement in announcements(kind, old, new, self._settings):
            self._send(self.url, announcement)

    def _send(self, url: str, announcement: Row) -> None:
        told = {"timestamp": now_iso(), "webhookId": str(uuid4()), **APP}
        where = {"locationId": self._location_id}
        body = json.dumps({**announcement, **where, **told}).encode()
        signature = b64encode(self._key.sign(body)).decode()
        headers = {SIGNATURE: signature}
        parcel = Parcel("ghl", url, [announcement["type"]], body, headers)
        self._outbox.send(parcel, self._carry(parcel))

    async def _carry(self, parcel: Parcel) -> None:
        for retries in range(RETRIES + 1):
            answer = await self._outbox.post(parcel)
            if answer is not None and 200 <= answer < 300:
                parcel.status = "delivered"
                return
            if retries == RETRIES or not await self._is_still_wanted(parcel, retries):
                break
        parcel.status = "given up"

    async def _is_still_wanted(self, parcel: Parcel, retries: int) -> bool:
        """Wait for the next attempt, if there should be one."""
        factor = 2**retries * (1 + JITTER * self._dice.random())
        await pause(
            lambda: (
                self._settings.webhook_retry_seconds * factor
                if parcel.url == self.url
                else 0.0
            )
        )
        return parcel.url == self.url
