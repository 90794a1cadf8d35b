//! Which link a packet takes, and what has become of all of them. No devices and no clock in here.

use crate::options::HostConfig;
use crate::packet::destination;
use netem::emulator::{Emulator, Limits, LinkId};
use netem::link::LinkConfig;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// What half a gigabit a second is for a second.
const LIMITS: Limits = Limits { packets: 100_000, bytes: 64 << 20 };

/// What has become of the packets of all hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) offered: u64,
    /// Come out; of these, what a device did not take is counted by `unwritten` too.
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) queue_full: u64,
    pub(crate) no_room: u64,
    pub(crate) unwritten: u64,
    /// To no host that there is: multicast, for instance. Not offered to any link.
    pub(crate) no_host: u64,
    /// No IP packets. Not offered to any link.
    pub(crate) malformed: u64,
}

pub(crate) struct Switch {
    /// Of packets and the hosts that get them.
    emulator: Emulator<(usize, Vec<u8>)>,
    hosts: HashMap<IpAddr, usize>,
    /// By sender, then receiver.
    links: Vec<Vec<LinkId>>,
    unwritten: u64,
    no_host: u64,
    malformed: u64,
}

impl Switch {
    /// A link from each host to each, itself not left out (its own packets never come here): how it is, by sender, then
    /// receiver, in the order of the hosts.
    pub(crate) fn new(hosts: &[HostConfig], links: &[Vec<LinkConfig>], seed: u64) -> Self {
        let mut emulator = Emulator::new(seed, LIMITS);
        let mut add = |row: &Vec<LinkConfig>| row.iter().map(|link| emulator.add_link(*link)).collect();
        let links = links.iter().map(&mut add).collect();
        let addresses = hosts
            .iter()
            .enumerate()
            .flat_map(|(number, host)| [(host.ipv4.0.into(), number), (host.ipv6.0.into(), number)]);
        let hosts = addresses.collect();
        Self { emulator, hosts, links, unwritten: 0, no_host: 0, malformed: 0 }
    }

    /// A host sends a packet.
    pub(crate) fn take(&mut self, now: Duration, from: usize, packet: &[u8]) {
        let Some(destination) = destination(packet) else {
            self.malformed += 1;
            return;
        };
        let to = self.hosts.get(&destination).copied();
        let Some((to, &link)) = to.and_then(|to| Some((to, self.links.get(from)?.get(to)?))) else {
            self.no_host += 1;
            return;
        };
        // Its fate is counted there.
        let _ = self.emulator.offer(now, link, (to, packet.to_vec()), packet.len());
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.emulator.next_timeout()
    }

    /// The next packet that is due: the host that gets it, when it was to, the packet.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<(usize, Duration, Vec<u8>)> {
        let released = self.emulator.pop_due(now)?;
        let (to, packet) = released.packet;
        Some((to, released.due, packet))
    }

    /// A packet that has come out was not taken.
    pub(crate) fn note_unwritten(&mut self) {
        self.unwritten += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        let start = Totals {
            unwritten: self.unwritten,
            no_host: self.no_host,
            malformed: self.malformed,
            ..Totals::default()
        };
        self.links.iter().flatten().fold(start, |sum, &link| {
            let one = self.emulator.counters(link);
            Totals {
                offered: sum.offered + one.offered,
                delivered: sum.delivered + one.delivered,
                lost: sum.lost + one.lost,
                queue_full: sum.queue_full + one.queue_full,
                no_room: sum.no_room + one.no_room,
                ..sum
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host(number: u8) -> HostConfig {
        HostConfig {
            namespace: format!("h{number}"),
            ipv4: ([10, 0, 0, number].into(), 16),
            ipv6: ([0xfd00, 0, 0, 0, 0, 0, 0, number.into()].into(), 64),
        }
    }

    fn packet(to: u8) -> Vec<u8> {
        let mut packet = vec![0; 60];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 0, 0, to]);
        packet
    }

    #[test]
    fn a_packet_comes_out_at_the_host_it_is_for_after_the_delay() {
        let delay = Duration::from_millis(20);
        let link = LinkConfig { delay, ..LinkConfig::default() };
        let mut switch = Switch::new(&[host(1), host(2), host(3)], &vec![vec![link; 3]; 3], 1);
        switch.take(Duration::ZERO, 0, &packet(3));
        assert_eq!(switch.next_timeout(), Some(delay));
        assert_eq!(switch.pop_due(delay - Duration::from_nanos(1)), None);
        assert_eq!(switch.pop_due(delay), Some((2, delay, packet(3))));
        assert_eq!(switch.totals(), Totals { offered: 1, delivered: 1, ..Totals::default() });
    }

    #[test]
    fn each_direction_has_a_link_of_its_own() {
        let after = |ms| LinkConfig { delay: Duration::from_millis(ms), ..LinkConfig::default() };
        let links = [vec![after(0), after(10)], vec![after(30), after(0)]];
        let mut switch = Switch::new(&[host(1), host(2)], &links, 1);
        switch.take(Duration::ZERO, 1, &packet(1));
        assert_eq!(switch.next_timeout(), Some(Duration::from_millis(30)));
        switch.take(Duration::ZERO, 0, &packet(2));
        assert_eq!(switch.next_timeout(), Some(Duration::from_millis(10)));
    }

    #[test]
    fn what_goes_nowhere_is_counted_by_reason() {
        let mut switch = Switch::new(&[host(1), host(2)], &vec![vec![LinkConfig::default(); 2]; 2], 1);
        switch.take(Duration::ZERO, 0, &packet(9));
        switch.take(Duration::ZERO, 0, &[]);
        switch.take(Duration::ZERO, 7, &packet(1));
        assert_eq!(switch.totals(), Totals { no_host: 2, malformed: 1, ..Totals::default() });
        assert_eq!(switch.next_timeout(), None);
    }
}
