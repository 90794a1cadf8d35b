//! How each link is: as the command line says, or as a file of groups of links says.
//!
//! Invariants: a group says all of its links; of several groups that a link is in, the last one counts; what cannot be
//! is refused, with the number of the group.

use crate::Fault;
use crate::options::{HostConfig, Options, duration};
use netem::link::{LinkConfig, Rate, Reordering};
use netem::loss::{Loss, Probability};
use serde::Deserialize;
use std::num::NonZeroU64;

/// Ten gigabits a second.
const MOST_KBPS: u32 = 10_000_000;

/// Links from each of some hosts to each of others; what is not said is perfect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    /// Namespaces.
    from: Vec<String>,
    to: Vec<String>,
    #[serde(default)]
    delay_ms: f64,
    #[serde(default)]
    jitter_ms: f64,
    #[serde(default)]
    loss_percent: f64,
    /// Mean length of the stretches in which all is lost; without it each packet is lost by itself.
    burst_packets: Option<f64>,
    rate_kbps: Option<u32>,
    /// What may wait for the line, as the time that the line needs for it.
    #[serde(default)]
    queue_ms: f64,
    #[serde(default)]
    reorder_percent: f64,
    /// How much later reordered packets come.
    #[serde(default)]
    reorder_ms: f64,
}

/// How all links are, by sender, then receiver, in the order of the hosts.
///
/// # Errors
/// The file cannot be read, or says what cannot be.
pub(crate) fn read(options: &Options) -> Result<Vec<Vec<LinkConfig>>, Fault> {
    let Options { hosts, link, links: file, .. } = options;
    let mut links = vec![vec![*link; hosts.len()]; hosts.len()];
    if let Some(file) = file {
        let named = |fault: Fault| format!("{}: {fault}", file.display());
        let text = std::fs::read_to_string(file).map_err(|fault| named(fault.into()))?;
        apply(&text, hosts, &mut links).map_err(named)?;
    }
    Ok(links)
}

fn apply(text: &str, hosts: &[HostConfig], links: &mut [Vec<LinkConfig>]) -> Result<(), Fault> {
    let groups: Vec<Group> = serde_json::from_str(text)?;
    for (number, group) in groups.iter().enumerate() {
        let numbered = |fault| format!("group {}: {fault}", number + 1);
        let config = group.config().map_err(numbered)?;
        let places =
            |names: &[String]| names.iter().map(|name| place(hosts, name)).collect::<Result<Vec<_>, _>>();
        let receivers = places(&group.to).map_err(numbered)?;
        for from in places(&group.from).map_err(numbered)? {
            for &to in &receivers {
                links[from][to] = config;
            }
        }
    }
    Ok(())
}

fn place(hosts: &[HostConfig], name: &str) -> Result<usize, String> {
    hosts.iter().position(|host| host.namespace == name).ok_or(format!("there is no host {name}"))
}

impl Group {
    fn config(&self) -> Result<LinkConfig, String> {
        let time = |name, value| duration(value).ok_or(format!("{name}: {value} is no such time"));
        let share = |name, value: f64| {
            Probability::new(value / 100.0).ok_or(format!("{name}: 0 to 100 is wanted, not {value}"))
        };
        let loss = share("lossPercent", self.loss_percent)?;
        Ok(LinkConfig {
            delay: time("delayMs", self.delay_ms)?,
            jitter: time("jitterMs", self.jitter_ms)?,
            loss: match self.burst_packets {
                None => Loss::Independent(loss),
                Some(mean) => Loss::in_bursts(loss, mean)
                    .ok_or(format!("burstPackets: no bursts of {mean} lose {} %", self.loss_percent))?,
            },
            rate: self.rate_kbps.map(|kbps| self.rate(kbps)).transpose()?,
            reordering: (self.reorder_percent != 0.0)
                .then(|| {
                    let part = share("reorderPercent", self.reorder_percent)?;
                    Ok::<_, String>(Reordering { part, later: time("reorderMs", self.reorder_ms)? })
                })
                .transpose()?,
        })
    }

    fn rate(&self, kbps: u32) -> Result<Rate, String> {
        let bits_per_second = NonZeroU64::new(u64::from(kbps) * 1_000)
            .filter(|_| kbps <= MOST_KBPS)
            .ok_or(format!("rateKbps: 1 to {MOST_KBPS} is wanted, not {kbps}"))?;
        let queue = duration(self.queue_ms).ok_or(format!("queueMs: {} is no such time", self.queue_ms))?;
        let queue_bytes = (queue.as_secs_f64() * bits_per_second.get() as f64 / 8.0) as usize;
        Ok(Rate { bits_per_second, queue_bytes })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    fn hosts() -> Vec<HostConfig> {
        let host = |number: u8| HostConfig {
            namespace: format!("h{number}"),
            ipv4: ([10, 0, 0, number].into(), 16),
            ipv6: ([0xfd00, 0, 0, 0, 0, 0, 0, number.into()].into(), 64),
        };
        (1..=3).map(host).collect()
    }

    fn applied(text: &str) -> Result<Vec<Vec<LinkConfig>>, Fault> {
        let mut links = vec![vec![LinkConfig::default(); 3]; 3];
        apply(text, &hosts(), &mut links).map(|()| links)
    }

    #[test]
    fn a_group_says_all_of_its_links_and_nothing_of_others_and_the_last_one_counts() {
        let links = applied(
            r#"[{"from": ["h1", "h2"], "to": ["h3"], "delayMs": 90, "jitterMs": 1, "lossPercent": 2},
                {"from": ["h2"], "to": ["h3"], "delayMs": 7}]"#,
        )
        .unwrap();
        let far = LinkConfig {
            delay: Duration::from_millis(90),
            jitter: Duration::from_millis(1),
            loss: Loss::Independent(Probability::new(0.02).unwrap()),
            ..LinkConfig::default()
        };
        assert_eq!(links[0][2], far);
        assert_eq!(links[1][2], LinkConfig { delay: Duration::from_millis(7), ..LinkConfig::default() });
        for (from, to) in [(2, 0), (0, 1), (0, 0)] {
            assert_eq!(links[from][to], LinkConfig::default());
        }
    }

    #[test]
    fn bursts_rate_and_reordering_are_taken() {
        let links = applied(
            r#"[{"from": ["h1"], "to": ["h2"], "lossPercent": 3, "burstPackets": 2.5, "rateKbps": 800, "queueMs": 200,
                 "reorderPercent": 1, "reorderMs": 5}]"#,
        )
        .unwrap();
        let link = links[0][1];
        assert_eq!(Some(link.loss), Loss::in_bursts(Probability::new(0.03).unwrap(), 2.5));
        let rate = link.rate.unwrap();
        assert_eq!((rate.bits_per_second.get(), rate.queue_bytes), (800_000, 20_000));
        let reordering = link.reordering.unwrap();
        assert_eq!(reordering.part, Probability::new(0.01).unwrap());
        assert_eq!(reordering.later, Duration::from_millis(5));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#""delayMs": -1"#,
            r#""jitterMs": 1e9"#,
            r#""lossPercent": 101"#,
            r#""lossPercent": 3, "burstPackets": 0.5"#,
            r#""rateKbps": 0"#,
            r#""rateKbps": 4000000000"#,
            r#""rateKbps": 8, "queueMs": -1"#,
            r#""reorderPercent": 101"#,
            r#""reorderPercent": 1, "reorderMs": -1"#,
            r#""delay": 1"#,
        ] {
            let text = format!(r#"[{{"from": ["h1"], "to": ["h2"], {wrong}}}]"#);
            assert!(applied(&text).is_err(), "{wrong}");
        }
        let stranger = applied(r#"[{"from": ["h1"], "to": ["h9"]}]"#).unwrap_err().to_string();
        assert_eq!(stranger, "group 1: there is no host h9");
    }
}
