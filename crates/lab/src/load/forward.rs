//! The plain UDP forwarder: takes rows, sends the same rows on, by the system calls of the packet thread.
//!
//! Both ways: answers from where it sends to go back to whoever spoke last. Datagrams larger than the one size must come
//! one by one (`--offload no`).

use crate::channel::Channel;
use crate::{Fault, offload, options, wait_for_end};
use std::net::SocketAddr;

pub(crate) fn run(arguments: &[&str]) -> Result<(), Fault> {
    let (plain, named) = options(arguments)?;
    let [listen, to] = plain[..] else { return Err("forward wants LISTEN and TO".into()) };
    let to: SocketAddr = to.parse()?;
    let mut channel = Channel::bind(listen.parse()?, offload(&named))?;
    println!("{{\"pid\":{}}}", std::process::id());
    std::thread::spawn(move || {
        let mut last = None;
        loop {
            channel.wait(-1);
            while channel.forward(to, &mut last) > 0 {}
        }
    });
    wait_for_end();
    Ok(())
}
