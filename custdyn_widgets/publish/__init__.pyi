from .freezing import Frozen, content_digest, freeze, prepare, publish
from .handover import Staging
from .secrets.search import without_secrets
from .secrets.watched import Watched, watched

__all__ = [
    "Frozen",
    "Staging",
    "Watched",
    "content_digest",
    "freeze",
    "prepare",
    "publish",
    "watched",
    "without_secrets",
]
