"""Speed: each figure beside its floor from the same run. Run by `python3 -m dev bench`; timings never fail a test."""
