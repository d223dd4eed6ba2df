"""The loop itself, without input or output: policy and the step from detection to trigger."""
