"""The commands of `python3 -m dev`, one file each; every one has a `main(options)` that returns the exit code."""
