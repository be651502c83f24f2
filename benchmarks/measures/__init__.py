"""The measurements, one a module; each is a function of an `Extent` that yields `Figure`s."""
