from .copies import Delivery
from .letters import FailureLetter, ReportLetter
from .message import Attachment, Picture
from .server import MailServer, parse_smtp_url
from .smtp import deliver, describe_failures

__all__ = [
    "Attachment",
    "Delivery",
    "FailureLetter",
    "MailServer",
    "Picture",
    "ReportLetter",
    "deliver",
    "describe_failures",
    "parse_smtp_url",
]
