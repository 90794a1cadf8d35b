//! A KX peer that only relays: the packet thread as it is in the KX, without what orchestrates it.

use crate::{Fault, keys, offload, options, wait_for_end};
use pump::{Pump, PumpConfig, PumpEvent};

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (plain, named) = options(arguments)?;
    let bind = plain.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
    let workers =
        named.iter().find(|(name, _)| *name == "workers").map_or(Ok(1), |(_, count)| count.parse())?;
    let engine = keys::new_peer(None)?;
    let identity: String = engine.identity.iter().map(|byte| format!("{byte:02x}")).collect();
    let sink = |events: Vec<PumpEvent>| {
        for event in events {
            eprintln!("peer-load relay: {event:?}");
        }
    };
    let config = PumpConfig { engine, workers, bind, tun: None, offload: offload(&named) };
    let pump = Pump::start(config, Box::new(sink))?;
    println!("{{\"identity\":\"{identity}\",\"pid\":{}}}", std::process::id());
    wait_for_end();
    let status = pump.status();
    eprintln!("crowded out {}, not sent {}", status.crowded_out, status.send_failures);
    for (name, value) in status.counters.named().filter(|(_, value)| *value > 0) {
        eprintln!("{name} {value}");
    }
    Ok(())
}
