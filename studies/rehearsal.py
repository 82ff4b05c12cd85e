"""`python -m studies.rehearsal`, the earlier name of `python -m studies.screening`."""

from studies.screening import main
from vlatent.command_line import run

if __name__ == "__main__":
    run(main)
