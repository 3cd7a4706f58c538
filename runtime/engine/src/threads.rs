//! A second thread for an encoder: rows of a matrix are shared out between two. Off unless asked for; whoever has threads
//! lends them by [`Join`].

/// Runs two pieces of work at the same time; both are done when it returns.
pub trait Join: Sync {
    /// Runs them.
    fn join(&self, one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send));
}

/// Fewer rows than this are not worth a second thread.
const LEAST_ROWS: usize = 8;

/// Where rows are parted: an even number on each side, or nothing.
pub(crate) const fn half(rows: usize) -> Option<usize> {
    if rows < LEAST_ROWS { None } else { Some((rows / 2).next_multiple_of(2)) }
}
