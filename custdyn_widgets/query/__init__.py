"""Queries: their fields, their validation, and their intervals resolved to instants."""

from custdyn_widgets.query.checks import (
    ROW_GROUPS,
    TIME_GROUPS,
    YEARS,
    Period,
    is_time_zone,
    time_zones,
)
from custdyn_widgets.query.fields import (
    CLIENT_TYPES,
    COLUMN_GROUPS,
    COMPARISONS,
    DEFAULT_COLUMN_GROUPS,
    FIELDS,
    PRESETS,
    Kind,
)
from custdyn_widgets.query.intervals import (
    Bucket,
    ResolvedInterval,
    resolve,
    time_zone_data,
)
from custdyn_widgets.query.labels import NO_PACKAGE, NO_VALUE, OTHER_PACKAGES
from custdyn_widgets.query.presets import preset_period
from custdyn_widgets.query.query import ReportQuery, parse_as_of

__all__ = [
    "CLIENT_TYPES",
    "COLUMN_GROUPS",
    "COMPARISONS",
    "DEFAULT_COLUMN_GROUPS",
    "FIELDS",
    "NO_PACKAGE",
    "NO_VALUE",
    "OTHER_PACKAGES",
    "PRESETS",
    "ROW_GROUPS",
    "TIME_GROUPS",
    "YEARS",
    "Bucket",
    "Kind",
    "Period",
    "ReportQuery",
    "ResolvedInterval",
    "is_time_zone",
    "parse_as_of",
    "preset_period",
    "resolve",
    "time_zone_data",
    "time_zones",
]
