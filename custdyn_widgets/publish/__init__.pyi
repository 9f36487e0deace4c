from .difference import without_client_names
from .freezing import Frozen, freeze, publish
from .handover import Staging
from .report_files import TOTAL_LINE, content_digest, prepare, report_pdf
from .secrets.known import Secret, known_secrets
from .secrets.search import secret_in, without_secrets

__all__ = [
    "TOTAL_LINE",
    "Frozen",
    "Secret",
    "Staging",
    "content_digest",
    "freeze",
    "known_secrets",
    "prepare",
    "publish",
    "report_pdf",
    "secret_in",
    "without_client_names",
    "without_secrets",
]
