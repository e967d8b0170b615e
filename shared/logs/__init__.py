"""What a run writes: captured, masked, and kept within bounds."""
