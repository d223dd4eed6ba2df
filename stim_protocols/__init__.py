"""From a decision to stimulation programs and triggers. Holds nothing itself."""
