"""What the ledger's script `evidence` answers, as `sync/ports.Evidence`."""

from collections.abc import Sequence
from typing import Any

from pipeline.store.consents import unpack_record, unpack_told
from pipeline.store.snapshots import unpack_snapshot
from pipeline.sync.ports import Evidence


def unpack_evidence(stored: Sequence[Any]) -> Evidence:
    """The evidence; see `ledger_evidence.lua` for what stands where."""
    complete, in_ghl, address_in_ghl, in_mailjet, *said, others = stored
    own, told, told_of_contact, alive = said
    ids = [id_.decode() for id_ in others[::3]]
    sharers = zip(ids, others[1::3], strict=True)
    records = zip(ids, others[2::3], strict=True)
    return Evidence(
        in_ghl_set=bool(in_ghl) if complete else None,
        address_in_ghl_set=bool(address_in_ghl),
        in_mailjet_set=bool(in_mailjet),
        sharers={
            id_: snapshot
            for id_, packed in sharers
            if (snapshot := unpack_snapshot(packed)) is not None
        },
        records={id_: unpack_record(packed) for id_, packed in records if packed},
        own=unpack_record(own),
        told=unpack_told(told, alive),
        told_of_contact=unpack_told(told_of_contact, None).record,
    )
