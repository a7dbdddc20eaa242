//! Randomness, so that a simulation can replay it.

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with randomness fit for secrets and ids.
    fn fill(&self, bytes: &mut [u8]);
}
