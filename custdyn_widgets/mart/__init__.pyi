from .arrow_arrays import distinct_values
from .columns import Bools, Int64s
from .demo.folder import demo_folder, last_midnight
from .demo.mart import demo_query
from .dialect import DIALECT_FIELDS, Dialect
from .facts.by_client import Packages, Times
from .facts.facts import NEVER, Facts, Names
from .facts.flow_class import PACKAGE_FEE, PAID, FlowClass, Flows
from .facts.threads import threads
from .libraries import import_library
from .mapping.adding import add_database, add_source, check_new_name
from .mapping.drafting import draft_mapping
from .mapping.sql_file import shipped_mapping, shipped_systems
from .opening import OpenedMart, open_mart
from .source_check import check_source
from .sources import Source, SourceLike, absolute_source, named_sources
from .spark.checking import check_on_spark
from .spark.opening import open_on_spark
from .synced import last_synced
from .syncing.database_draft import draft_database
from .syncing.detecting import detect_system
from .syncing.sync import SyncResult, grants_for, sync_source

__all__ = [
    "DIALECT_FIELDS",
    "NEVER",
    "PACKAGE_FEE",
    "PAID",
    "Bools",
    "Dialect",
    "Facts",
    "FlowClass",
    "Flows",
    "Int64s",
    "Names",
    "OpenedMart",
    "Packages",
    "Source",
    "SourceLike",
    "SyncResult",
    "Times",
    "absolute_source",
    "add_database",
    "add_source",
    "check_new_name",
    "check_on_spark",
    "check_source",
    "demo_folder",
    "demo_query",
    "detect_system",
    "distinct_values",
    "draft_database",
    "draft_mapping",
    "grants_for",
    "import_library",
    "last_midnight",
    "last_synced",
    "named_sources",
    "open_mart",
    "open_on_spark",
    "shipped_mapping",
    "shipped_systems",
    "sync_source",
    "threads",
]
