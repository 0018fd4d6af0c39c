"""The Swiss Roll of Fig. 3: a data set whose manifold is known, so that leaving it can be measured exactly."""
