"""``fused()``: runs tasks of joblib in greenlets and trains their fits together."""
