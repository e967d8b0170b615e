"""When a workflow runs by itself: the expressions that say so."""
