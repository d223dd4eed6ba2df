"""The envelope, its arithmetic, the static check, the gate and the arming state machine."""
