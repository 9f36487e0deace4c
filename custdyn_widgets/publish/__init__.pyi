from .difference import without_client_names
from .freezing import Frozen, content_digest, freeze, prepare, publish
from .handover import Staging
from .secrets.known import Secret, known_secrets
from .secrets.search import secret_in, without_secrets

__all__ = [
    "Frozen",
    "Secret",
    "Staging",
    "content_digest",
    "freeze",
    "known_secrets",
    "prepare",
    "publish",
    "secret_in",
    "without_client_names",
    "without_secrets",
]
