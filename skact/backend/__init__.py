"""``fused()``: tasks of joblib in greenlets, collected and trained together."""
