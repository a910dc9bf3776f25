//! Tests of the real binaries on a real control plane. The tests are in `tests/it`; what they share is in `testkit`.
