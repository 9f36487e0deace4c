"""The command `custdyn`, where no script of that name is on the path: `python -m custdyn_widgets`."""

from custdyn_widgets.cli import main

main(prog_name="custdyn")
