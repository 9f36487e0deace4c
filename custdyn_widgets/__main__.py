"""Run `custdyn` as `python -m custdyn_widgets`, for when the script is not on the PATH."""

from custdyn_widgets.cli import main

main(prog_name="custdyn")
