"""Queries: what is asked, checked, and placed on the time line."""

from custdyn_widgets.query.checks import (
    CLIENT_TYPES,
    PRESETS,
    TIME_GROUPS,
    YEARS,
    Period,
    is_time_zone,
    time_zones,
)
from custdyn_widgets.query.intervals import Bucket, ResolvedInterval, resolve, time_zone_data
from custdyn_widgets.query.query import ReportQuery, parse_as_of, read_json, strict_json

__all__ = [
    "CLIENT_TYPES",
    "PRESETS",
    "TIME_GROUPS",
    "YEARS",
    "Bucket",
    "Period",
    "ReportQuery",
    "ResolvedInterval",
    "is_time_zone",
    "parse_as_of",
    "read_json",
    "resolve",
    "strict_json",
    "time_zone_data",
    "time_zones",
]
