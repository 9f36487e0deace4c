from .difference import without_client_names
from .freezing import Frozen, content_digest, freeze, prepare, publish, report_pdf
from .handover import Staging
from .secrets.known import Secret, known_secrets
from .secrets.search import without_secrets

__all__ = [
    "Frozen",
    "Secret",
    "Staging",
    "content_digest",
    "freeze",
    "known_secrets",
    "prepare",
    "publish",
    "report_pdf",
    "without_client_names",
    "without_secrets",
]
