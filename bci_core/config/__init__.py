"""The rig file: TOML in, frozen and checked settings out."""
