"""The snapshot store: frozen reports under ids that verify every byte."""

from custdyn_widgets.snapshots import (
    acts,
    addresses,
    exporting,
    life,
    listing,
    notes,
    ownership,
    pruning,
    signatures,
    signing,
    trash,
)
from custdyn_widgets.snapshots.addresses import Address
from custdyn_widgets.snapshots.evidence import Evidence
from custdyn_widgets.snapshots.ids import is_id
from custdyn_widgets.snapshots.life import id_in
from custdyn_widgets.snapshots.manifests import MANIFEST
from custdyn_widgets.snapshots.newer import newer_formats
from custdyn_widgets.snapshots.newest import NewestSnapshots
from custdyn_widgets.snapshots.proof.checking import check_zip
from custdyn_widgets.snapshots.proof.command import trusted_keys
from custdyn_widgets.snapshots.proof.ed25519 import grouped, pem
from custdyn_widgets.snapshots.protection import protect
from custdyn_widgets.snapshots.pruning import Rule, ago, parse_size
from custdyn_widgets.snapshots.state import read_state
from custdyn_widgets.snapshots.store import Store

__all__ = [
    "MANIFEST",
    "Address",
    "Evidence",
    "NewestSnapshots",
    "Rule",
    "Store",
    "acts",
    "addresses",
    "ago",
    "check_zip",
    "exporting",
    "grouped",
    "id_in",
    "is_id",
    "life",
    "listing",
    "newer_formats",
    "notes",
    "ownership",
    "parse_size",
    "pem",
    "protect",
    "pruning",
    "read_state",
    "signatures",
    "signing",
    "trash",
    "trusted_keys",
]
