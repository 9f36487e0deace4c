"""The command `custdyn` as `python -m custdyn_widgets`, for when its script is not on the path."""

from custdyn_widgets.cli import main

main(prog_name="custdyn")
