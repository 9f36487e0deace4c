"""Text formatting shared by all outputs: amounts, times, tables, slugs and email addresses."""

from custdyn_widgets.text.amounts import format_amount, format_millionths
from custdyn_widgets.text.base_urls import is_base_url
from custdyn_widgets.text.characters import (
    cut_short,
    has_control_character,
    isolate,
    join_surrogates,
    printable,
    replace_controls,
    replace_not_xml,
    replace_surrogates,
    split_isolates,
)
from custdyn_widgets.text.email_addresses import ascii_address, mailbox
from custdyn_widgets.text.instants import format_clock, format_instant_utc, parse_instant
from custdyn_widgets.text.shortening import short_names
from custdyn_widgets.text.slugs import readable_slug, slug
from custdyn_widgets.text.spreadsheet import guard_formula
from custdyn_widgets.text.tables import GAP, align_cells, align_rows, text_width

__all__ = [
    "GAP",
    "align_cells",
    "align_rows",
    "ascii_address",
    "cut_short",
    "format_amount",
    "format_clock",
    "format_instant_utc",
    "format_millionths",
    "guard_formula",
    "has_control_character",
    "is_base_url",
    "isolate",
    "join_surrogates",
    "mailbox",
    "parse_instant",
    "printable",
    "readable_slug",
    "replace_controls",
    "replace_not_xml",
    "replace_surrogates",
    "short_names",
    "slug",
    "split_isolates",
    "text_width",
]
