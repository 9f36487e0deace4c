from .copies import Delivery
from .letters import FailureLetter, ReportLetter
from .message import Attachment, Picture
from .server import MailServer, parse_smtp_url
from .smtp import deliver

__all__ = [
    "Attachment",
    "Delivery",
    "FailureLetter",
    "MailServer",
    "Picture",
    "ReportLetter",
    "deliver",
    "parse_smtp_url",
]
