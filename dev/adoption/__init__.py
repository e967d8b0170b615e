"""Moving a workspace over from the former system: `python3 -m dev adopt`. Standard library only, but for `here`."""
