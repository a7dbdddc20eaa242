//! How many files, sockets among them, the process may have open, and how many of them may be connections.
//!
//! Must not know: what else the process opens.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for the store, providers, merchants' endpoints and the rest; half, where there are fewer than twice so many.
const KEPT_FOR_OTHERS: u64 = 512;

/// Raises the bound as far as the process itself may, and answers how many connections fit into it.
pub(super) fn connections_that_fit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let open_files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the bound of open files cannot be raised");
            limit.current
        }
    };
    // None: as many as one likes.
    open_files.map_or(usize::MAX, fitting)
}

fn fitting(open_files: u64) -> usize {
    let connections = open_files - KEPT_FOR_OTHERS.min(open_files / 2);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn connections_leave_files_for_the_others() {
        for (open_files, connections) in [(0, 0), (64, 32), (1024, 512), (20_000, 19_488), (1_048_576, 1_048_064)] {
            assert_eq!(fitting(open_files), connections, "of {open_files}");
        }
    }
}
