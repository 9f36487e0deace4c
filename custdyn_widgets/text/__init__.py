"""Text: what every face of the product writes the same way."""

from custdyn_widgets.text.characters import cut_short, printable
from custdyn_widgets.text.email_addresses import ascii_address, mailbox

__all__ = ["ascii_address", "cut_short", "mailbox", "printable"]
