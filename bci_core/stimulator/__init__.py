"""Parts that a driver of a stimulator may be built from: ours are, and others' may be.

None is compulsory: the contract is `bci_core.contracts.Stimulator`, and nothing has to inherit.
A device that fires only at once, without a timer, a lease or limits of its own, gets them from
`bci_core.stimulator.at_once`. See ``docs/write-a-stimulator.md``.
"""
