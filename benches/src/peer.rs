//! A peer in a process of its own, told by lines what to do; it answers with lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::machine::Took;

/// A peer that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

/// What a peer says instead of an answer.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Peer {
    /// Starts it, and returns what it says of itself.
    ///
    /// # Errors
    /// It does not start, or refuses.
    pub fn start<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<(Self, T)> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("{program} does not start: is it installed?"))?;
        let pipes = "the peer has no pipes";
        let requests = child.stdin.take().context(pipes)?;
        let replies = BufReader::new(child.stdout.take().context(pipes)?);
        let mut peer = Self { child, requests: Some(requests), replies };
        let about = peer.reply()?;
        Ok((peer, about))
    }

    /// Has it do something, and returns how long that took by its own clocks.
    ///
    /// # Errors
    /// It refuses, or has ended.
    pub fn time(&mut self, request: &str) -> anyhow::Result<Took> {
        let requests = self.requests.as_mut().context("the peer was told to end")?;
        writeln!(requests, "{request}").and_then(|()| requests.flush()).context("the peer has ended")?;
        self.reply()
    }

    fn reply<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.replies.read_line(&mut line).context("the peer cannot be read")?;
        ensure!(!line.is_empty(), "the peer has ended without a word, see above");
        if let Ok(Refusal { error }) = serde_json::from_str(&line) {
            bail!("{error}");
        }
        serde_json::from_str(&line).with_context(|| format!("the peer is not understood: {line:?}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it, and it puts its files away.
        self.requests = None;
        let _ = self.child.wait();
    }
}
