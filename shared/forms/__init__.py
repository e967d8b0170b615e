"""What forms check and work out: expressions, rules of fields, bindings of data providers, cascades."""
