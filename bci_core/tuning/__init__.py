"""Settings for one's own recordings: swept against marks, and measured before arming.

recording + marks -> sweep -> `tune` within a `Budget` -> figures on a part kept aside
samples without marks -> `calibrate` -> levels of each channel, and the values that follow
"""
