/// The exhaustive checker.
