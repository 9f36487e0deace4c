"""The report by the product itself where numba is not installed."""

from __future__ import annotations

import sys

sys.modules["numba"] = None  # type: ignore[assignment]  # importing it fails now

from .ours import check, report  # noqa: E402

__all__ = ["check", "report"]
