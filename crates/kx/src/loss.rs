//! Whether what one end of a flow says arrives at the other: a hop that drops cells but lets keepalives pass is found so.
//!
//! Each end tells the other once a second, while data comes in, how many frames it has opened and the highest counter among
//! them. Who hears that many are missing, or hears nothing while it speaks, calls the flow lossy; its tunnel then takes other
//! hops. Reports are sealed frames like any other, and are not answered by reports, so a flow at rest stays at rest.

use std::time::Duration;

/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A verdict needs so many frames and so much time.
const FRAMES: u64 = 60;
const SPAN: Duration = Duration::from_secs(2);
/// More missing than this, in percent, is no ordinary loss.
const LOSSY_PERCENT: u64 = 20;
/// No report for this long, though we speak: nothing arrives, or nothing comes back. Three or four reports: on lossy links two in a row are lost now and then.
const SILENT_AFTER: Duration = Duration::from_millis(4_500);
/// After a verdict, other hops get this long before the next one.
const RESPITE: Duration = Duration::from_secs(10);
/// Bytes of a report.
pub const REPORT_BYTES: usize = 16;

/// One flow's account.
#[derive(Debug, Default)]
pub struct Loss {
    received: u64,
    highest: u64,
    /// Data has come in that was not reported.
    unreported: bool,
    reported_at: Duration,
    /// What the other side had opened, and of how many, when the present span began.
    base: (u64, u64),
    base_at: Duration,
    /// Frames sent when the last report came, or when speaking began.
    sent_at_report: u64,
    heard_at: Duration,
    respite_until: Duration,
}

impl Loss {
    /// A genuine frame with this counter was opened; `data`: not a report.
    pub fn opened(&mut self, counter: u64, data: bool) {
        self.received += 1;
        self.highest = self.highest.max(counter + 1);
        self.unreported |= data;
    }

    /// The report that is to be sent now, where one is.
    pub fn report(&mut self, now: Duration) -> Option<[u8; REPORT_BYTES]> {
        if !self.unreported || now < self.reported_at + REPORT_EVERY {
            return None;
        }
        (self.unreported, self.reported_at) = (false, now);
        let mut bytes = [0; REPORT_BYTES];
        bytes[..8].copy_from_slice(&self.received.to_be_bytes());
        bytes[8..].copy_from_slice(&self.highest.to_be_bytes());
        Some(bytes)
    }

    /// The other side's report; `sent`: frames that we have sent so far. Whether the flow is lossy.
    pub fn heard(&mut self, now: Duration, report: &[u8; REPORT_BYTES], sent: u64) -> bool {
        let number = |at| cell::layout::read_u64(report, at);
        let (received, highest) = (number(0), number(8));
        // Impossible, or from before: says nothing.
        if received > highest || highest > sent || received < self.base.0 || highest < self.base.1 {
            return false;
        }
        (self.heard_at, self.sent_at_report) = (now, sent);
        let frames = highest - self.base.1;
        if frames < FRAMES || now < self.base_at + SPAN {
            return false;
        }
        let missing = frames.saturating_sub(received - self.base.0);
        (self.base, self.base_at) = ((received, highest), now);
        missing * 100 > frames * LOSSY_PERCENT && self.verdict(now)
    }

    /// Whether nothing is heard though much was sent. To be asked now and then.
    pub fn is_silent(&mut self, now: Duration, sent: u64) -> bool {
        if sent < self.sent_at_report + FRAMES {
            // Speaking begins, or has stopped: silence means nothing yet.
            if sent == self.sent_at_report {
                self.heard_at = now;
            }
            return false;
        }
        now >= self.heard_at + SILENT_AFTER && {
            (self.heard_at, self.sent_at_report) = (now, sent);
            self.verdict(now)
        }
    }

    fn verdict(&mut self, now: Duration) -> bool {
        let counts = now >= self.respite_until;
        if counts {
            self.respite_until = now + RESPITE;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 50 frames a second for `seconds`, of which `arrives` says which come; when a verdict fell, in seconds.
    fn speak(loss: &mut Loss, other: &mut Loss, seconds: u32, arrives: impl Fn(u64) -> bool) -> Vec<u32> {
        let mut verdicts = Vec::new();
        for frame in 0..u64::from(seconds) * 50 {
            let now = SECOND * frame as u32 / 50;
            if arrives(frame) {
                other.opened(frame, true);
            }
            let report = other.report(now);
            let lossy = report.is_some_and(|report| loss.heard(now, &report, frame + 1))
                || loss.is_silent(now, frame + 1);
            if lossy {
                verdicts.push((frame / 50) as u32);
            }
        }
        verdicts
    }

    #[test]
    fn ordinary_loss_is_no_verdict() {
        let (mut loss, mut other) = (Loss::default(), Loss::default());
        assert_eq!(speak(&mut loss, &mut other, 60, |frame| frame % 10 != 0), []);
    }

    #[test]
    fn heavy_loss_and_silence_are_verdicts_within_seconds_and_then_rarely() {
        for kept in [2, 20, u64::MAX] {
            let (mut loss, mut other) = (Loss::default(), Loss::default());
            let verdicts = speak(&mut loss, &mut other, 30, |frame| frame % kept == kept - 1);
            assert!(verdicts[0] <= 5, "{kept}: {verdicts:?}");
            assert!((2..=4).contains(&verdicts.len()), "{kept}: {verdicts:?}");
        }
    }

    #[test]
    fn a_flow_at_rest_is_not_reported_and_not_silent() {
        let mut loss = Loss::default();
        loss.opened(0, true);
        assert!(loss.report(5 * SECOND).is_some());
        loss.opened(1, false);
        assert_eq!(loss.report(10 * SECOND), None);
        assert!(!loss.is_silent(100 * SECOND, 5));
        assert!(!loss.is_silent(200 * SECOND, 5));
    }

    #[test]
    fn impossible_reports_say_nothing() {
        let mut loss = Loss::default();
        for (received, highest) in [(9_u64, 3_u64), (0, u64::MAX), (u64::MAX, u64::MAX), (0, 2_000)] {
            let mut report = [0; REPORT_BYTES];
            report[..8].copy_from_slice(&received.to_be_bytes());
            report[8..].copy_from_slice(&highest.to_be_bytes());
            assert!(!loss.heard(60 * SECOND, &report, 1_000));
        }
    }
}
