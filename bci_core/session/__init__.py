"""One run of a rig: its processes, its supervisor, its folder, its replay."""
