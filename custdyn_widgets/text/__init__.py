"""Text: what every face of the product writes the same way."""

from custdyn_widgets.text.characters import cut_short, printable, replace_surrogates
from custdyn_widgets.text.email_addresses import ascii_address, mailbox
from custdyn_widgets.text.spreadsheet import guard_formula
from custdyn_widgets.text.tables import GAP, align_cells, align_rows, text_width

__all__ = [
    "GAP",
    "align_cells",
    "align_rows",
    "ascii_address",
    "cut_short",
    "guard_formula",
    "mailbox",
    "printable",
    "replace_surrogates",
    "text_width",
]
