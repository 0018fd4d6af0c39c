"""Words and surfaces: what a sentence is before it becomes a tensor and after it stopped being one."""
