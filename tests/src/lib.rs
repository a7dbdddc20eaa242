//! Tests across functions; see the files beside this one.
