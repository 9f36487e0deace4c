from . import (
    actions,
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
from .addresses import Address
from .evidence import Evidence
from .ids import is_id
from .life import id_in
from .manifests import MANIFEST
from .newer import newer_formats
from .newest import NewestSnapshots
from .proof.checking import check_zip
from .proof.command import trusted_keys
from .proof.ed25519 import grouped, pem
from .protection import protect
from .pruning import Rule, ago, parse_size
from .store import Store
from .visibility import read_state

__all__ = [
    "MANIFEST",
    "Address",
    "Evidence",
    "NewestSnapshots",
    "Rule",
    "Store",
    "actions",
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
