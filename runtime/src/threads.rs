//! Two threads for one text (feature `threads`).

use std::ops::Range;

use crate::Case;
use crate::engine::Join;
use crate::engine::backend::Unavailable;

/// Two threads that share the rows of an encoder. They sleep when there is nothing to do.
#[derive(Debug)]
pub(crate) struct Pair(rayon::ThreadPool);

impl Pair {
    pub(crate) fn new() -> Result<Self, Unavailable> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.thread_name(|nth| format!("typecase-{nth}")).build();
        pool.map(Self).map_err(|why| Unavailable::new(why.to_string(), "allow the process more threads"))
    }

    /// The scores, computed in the pool: this thread waits.
    pub(crate) fn scores(
        &self,
        case: &Case,
        ids: &[u32],
        numbers: &mut [i32],
        arena: &mut [u64],
    ) -> Range<usize> {
        self.0.install(|| case.scores_in_two(ids, numbers, arena, &Here))
    }
}

/// The pool of this thread.
struct Here;

impl Join for Here {
    fn join(&self, one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
        rayon::join(one, other);
    }
}
