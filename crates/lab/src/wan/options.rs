//! The command line of `peer-wan`, parsed once and as a whole.

use crate::Fault;
use netem::link::LinkConfig;
use netem::loss::{Loss, Probability};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: peer-wan --host NAMESPACE,IPV4/PREFIX,IPV6/PREFIX …
                [--delay-ms N] [--jitter-ms N] [--loss-percent N] [--links FILE.json] [--seed N]
         joins the hosts until standard input ends; every packet takes delay ± jitter, uniformly, each way, and keeps
         its place among those of its link; without options links are perfect, and the seed is 1
         FILE.json: [{\"from\": [NAMESPACE …], \"to\": [NAMESPACE …], \"delayMs\": N, \"jitterMs\": N,
           \"lossPercent\": N, \"burstPackets\": N, \"rateKbps\": N, \"queueMs\": N, \"reorderPercent\": N, \"reorderMs\": N} …]
         says how links from one to another are, in place of the options; a later entry replaces an earlier one";

/// So many devices are polled one by one, and so many links kept for each of them.
const MOST_HOSTS: usize = 256;
const MOST_MS: f64 = 60_000.0;

/// A host as it is to be joined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostConfig {
    /// Of a namespace below /run/netns.
    pub(crate) namespace: String,
    pub(crate) ipv4: (Ipv4Addr, u8),
    pub(crate) ipv6: (Ipv6Addr, u8),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) hosts: Vec<HostConfig>,
    /// Every link that no file speaks of.
    pub(crate) link: LinkConfig,
    /// The file of the others (`links.rs`).
    pub(crate) links: Option<PathBuf>,
    pub(crate) seed: u64,
}

/// # Errors
/// What is wrong with the arguments, for a person.
pub(crate) fn parse(arguments: &[String]) -> Result<Options, Fault> {
    let mut options = Options { hosts: Vec::new(), link: LinkConfig::default(), links: None, seed: 1 };
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--host" => options.hosts.push(parse_host(value)?),
            "--delay-ms" => options.link.delay = milliseconds(value)?,
            "--jitter-ms" => options.link.jitter = milliseconds(value)?,
            "--loss-percent" => {
                let part = Probability::new(value.parse::<f64>()? / 100.0);
                options.link.loss = Loss::Independent(part.ok_or("--loss-percent: 0 to 100 is wanted")?);
            }
            "--links" => options.links = Some(value.into()),
            "--seed" => options.seed = value.parse()?,
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    let addresses = options.hosts.iter().flat_map(|host| [host.ipv4.0.into(), host.ipv6.0.into()]);
    let different: HashSet<IpAddr> = addresses.collect();
    if options.hosts.is_empty() || options.hosts.len() > MOST_HOSTS {
        return Err(format!("1 to {MOST_HOSTS} hosts are wanted").into());
    }
    if different.len() < 2 * options.hosts.len() {
        return Err("two hosts have the same address".into());
    }
    Ok(options)
}

fn parse_host(text: &str) -> Result<HostConfig, Fault> {
    let [namespace, ipv4, ipv6] = text.split(',').collect::<Vec<_>>()[..] else {
        return Err(format!("--host {text}: NAMESPACE,IPV4/PREFIX,IPV6/PREFIX is wanted").into());
    };
    let named = !namespace.is_empty() && !namespace.starts_with('.') && !namespace.contains('/');
    let namespace = named.then(|| namespace.to_owned()).ok_or("--host wants a namespace's name")?;
    Ok(HostConfig { namespace, ipv4: network(ipv4, 32)?, ipv6: network(ipv6, 128)? })
}

fn network<A: FromStr>(text: &str, most: u8) -> Result<(A, u8), Fault> {
    let wrong = || format!("{text}: ADDRESS/PREFIX is wanted");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most).ok_or_else(wrong)?;
    Ok((address.parse().map_err(|_| wrong())?, prefix))
}

fn milliseconds(text: &str) -> Result<Duration, Fault> {
    let number = text.parse().ok().and_then(duration);
    Ok(number.ok_or(format!("{text}: milliseconds from 0 to {MOST_MS} are wanted"))?)
}

/// `None` where they are no milliseconds that a link may have.
pub(crate) fn duration(milliseconds: f64) -> Option<Duration> {
    (0.0..=MOST_MS).contains(&milliseconds).then(|| Duration::from_secs_f64(milliseconds / 1e3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse_text(text: &str) -> Result<Options, Fault> {
        parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    const HOST: &str = "--host a,10.0.0.1/16,fd00::1/64";

    #[test]
    fn a_full_command_line_is_understood() {
        let options = parse_text(&format!(
            "{HOST} --delay-ms 20 --jitter-ms 0.5 --loss-percent 1 --links l.json --seed 9"
        ))
        .unwrap();
        assert_eq!(options.hosts[0].ipv6, ("fd00::1".parse().unwrap(), 64));
        assert_eq!(options.link.delay, Duration::from_millis(20));
        assert_eq!(options.link.jitter, Duration::from_micros(500));
        assert_eq!(options.link.loss, Loss::Independent(Probability::new(0.01).unwrap()));
        assert_eq!(options.links, Some("l.json".into()));
        assert_eq!(options.seed, 9);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [
            "--seed 1",
            "--host a,10.0.0.1/16",
            "--host ../a,10.0.0.1/16,fd00::1/64",
            "--host a,10.0.0.1/33,fd00::1/64",
            "--host a,10.0.0.1,fd00::1/64",
            &format!("{HOST} {HOST}"),
            &format!("{HOST} --delay-ms -1"),
            &format!("{HOST} --delay-ms NaN"),
            &format!("{HOST} --jitter-ms inf"),
            &format!("{HOST} --loss-percent 101"),
            &format!("{HOST} --speed 1"),
            &format!("{HOST} --seed"),
        ] {
            assert!(parse_text(wrong).is_err(), "{wrong}");
        }
    }
}
