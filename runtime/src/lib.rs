//! Text classifiers for edge devices: one small file, the same answer everywhere.
