"""Mail: letters about a run, and the way of each copy to its recipient.

A letter is written once (`letters`), drawn as text and HTML (`drawing`), made a message that no name in the
data can add a header to (`message`), and handed to a mail server that the settings name (`server`, `smtp`), a
copy for each recipient (`copies`).
"""

from custdyn_widgets.delivery.copies import Delivery
from custdyn_widgets.delivery.letters import FailureLetter, ReportLetter
from custdyn_widgets.delivery.message import Attachment
from custdyn_widgets.delivery.server import MailServer
from custdyn_widgets.delivery.smtp import deliver, deliver_all, failed_words

__all__ = [
    "Attachment",
    "Delivery",
    "FailureLetter",
    "MailServer",
    "ReportLetter",
    "deliver",
    "deliver_all",
    "failed_words",
]
