from .copies import Delivery
from .letters import FailureLetter, ReportLetter
from .message import Attachment
from .server import MailServer, place_of
from .smtp import deliver, deliver_all, failed_words

__all__ = [
    "Attachment",
    "Delivery",
    "FailureLetter",
    "MailServer",
    "ReportLetter",
    "deliver",
    "deliver_all",
    "failed_words",
    "place_of",
]
