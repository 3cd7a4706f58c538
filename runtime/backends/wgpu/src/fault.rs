//! Faults for tests (feature `inject-faults`): each makes happen what a bad device or driver does.

use std::fmt;
use std::str::FromStr;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The uploaded weights are not those of the case: in each row one bit is flipped.
    WrongBits,
    /// The device is destroyed before a call.
    DeviceLost {
        /// Calls that each scorer answers before.
        after: u32,
    },
    /// A call is submitted, and no time is left to wait for it.
    TimeOut {
        /// Calls that each scorer answers before.
        after: u32,
    },
}

/// As it is written in a setting: `wrong-bits`, `device-lost:20`, `time-out:20`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongBits => f.write_str("wrong-bits"),
            Self::DeviceLost { after } => write!(f, "device-lost:{after}"),
            Self::TimeOut { after } => write!(f, "time-out:{after}"),
        }
    }
}

/// A setting that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault {0:?}, allowed are wrong-bits, device-lost:CALLS, time-out:CALLS")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        match text.split_once(':') {
            None if text == "wrong-bits" => Ok(Self::WrongBits),
            Some((name @ ("device-lost" | "time-out"), calls)) => {
                let after = calls.parse().map_err(|_| unknown())?;
                Ok(if name == "time-out" { Self::TimeOut { after } } else { Self::DeviceLost { after } })
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for fault in [Fault::WrongBits, Fault::DeviceLost { after: 20 }, Fault::TimeOut { after: 0 }] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        for text in ["", "wrong-bits:1", "device-lost", "time-out:", "time-out:-1", "lost:3"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
