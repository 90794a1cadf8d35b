//! A tunnel's end as it is in the KX: packet thread and TUN device, without what orchestrates them.

use crate::drive::parse_identity;
use crate::{Fault, keys, offload, options, wait_for_end};
use kx::engine::Tun;
use kx::event::{Command, Event};
use kx::peer::Peer;
use pump::{Pump, PumpConfig, PumpEvent, TunConfig};
use std::sync::mpsc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (plain, named) = options(arguments)?;
    let value = |name: &str| {
        let found = named.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        found.ok_or(format!("--{name} is missing"))
    };
    let bind = plain.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
    let [name, address, prefix] = value("tun")?.split(',').collect::<Vec<_>>()[..] else {
        return Err("--tun wants NAME,ADDRESS,PREFIX".into());
    };
    let (address, prefix) = (address.parse()?, prefix.parse()?);
    let path = value("path")?.split('+').map(parse_peer).collect::<Result<Vec<_>, _>>()?;
    let (tell, told) = mpsc::channel();
    let sink = move |events: Vec<PumpEvent>| {
        for event in events {
            // Whoever listens has left once the tunnel is there.
            if let Err(unheard) = tell.send(event) {
                eprintln!("peer-load tunnel: {:?}", unheard.0);
            }
        }
    };
    let config = PumpConfig {
        engine: keys::new_peer(Some(Tun { address, prefix, allow: None }))?,
        workers: 1,
        bind,
        tun: Some(TunConfig { name: Some(name.into()), address, prefix }),
        offload: offload(&named),
    };
    let pump = Pump::start(config, Box::new(sink))?;
    pump.command(Command::BuildOutgoing { tunnel: 1, pseudo_identity: [1; 32], path, token: [2; 32] });
    let callee = match told.recv_timeout(PATIENCE)? {
        PumpEvent::Engine(Event::TunnelReady { address: Some(callee), .. }) => callee,
        other => return Err(format!("the tunnel was not built: {other:?}").into()),
    };
    drop(told);
    println!("{{\"callee\":\"{callee}\",\"pid\":{}}}", std::process::id());
    wait_for_end();
    for (name, value) in pump.status().counters.named().filter(|(_, value)| *value > 0) {
        eprintln!("{name} {value}");
    }
    Ok(())
}

/// `IDENTITY,ADDRESS`
fn parse_peer(text: &str) -> Result<Peer, Fault> {
    let (identity, address) = text.split_once(',').ok_or("IDENTITY,ADDRESS is wanted")?;
    Ok(Peer { identity: parse_identity(identity)?, address: address.parse()? })
}
