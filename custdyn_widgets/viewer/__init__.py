"""The viewer: `/view?id=…` answers with a snapshot's finished files, and with nothing else.

The handlers read the store and cannot compute: the process that serves links never imports a source, a
driver or pandas. Every file is compared with its manifest before it is sent; a page that was changed since
it was published is answered with 500 and not shown. Whatever is not the link of a visible snapshot gets one
and the same 404, so that nobody learns from an answer what exists.

    answers.py     what every answer has: its headers, its refusals, its line in the log
    links.py       which addresses are links, and which hosts are answered for
    view.py        the link itself: the page under its bar, and the files to download
    bar.py         the bar above a frozen page
    server.py      `custdyn serve`
    extension.py   the same links behind the login of a Jupyter Server
"""

from custdyn_widgets.viewer.answers import HEADERS
from custdyn_widgets.viewer.links import LOOPBACK_HOSTS, hosts_for
from custdyn_widgets.viewer.server import handlers, make_app, serve

__all__ = ["HEADERS", "LOOPBACK_HOSTS", "handlers", "hosts_for", "make_app", "serve"]
