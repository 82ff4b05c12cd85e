"""What did we learn? Reads results and never trains; `python -m analysis.report` shows them."""
