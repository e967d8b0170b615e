"""Where user code runs: calls, threads and loops, and what watches over them."""
