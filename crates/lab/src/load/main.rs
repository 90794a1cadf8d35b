//! `peer-load`: what a relay does to cells between two networks, beside a plain UDP forwarder in its place.
//!
//! Programs in network namespaces of their own: `relay` (a packet thread as in the KX), `forward` (the same system calls, no
//! cryptography), `drive`, which sends through either and measures, `voices`, which does so with many calls, and `flood`. `tunnel` is a
//! tunnel's end with its TUN device, `pour` measures it beside wireguard-go. Results go to standard output as JSON, one line a
//! round; errors to standard error.

mod channel;
mod drive;
mod ends;
mod flood;
mod forward;
mod generator;
mod keys;
mod pour;
mod relay;

mod through;
mod tunnel;
mod voices;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "\
usage: peer-load relay LISTEN… [--offload yes|no] [--workers N]
         relays until standard input ends; prints its identity and addresses
       peer-load forward LISTEN TO [--offload yes|no]
         forwards datagrams, and answers to them, until standard input ends
       peer-load drive --near NAMESPACE,ADDRESS --far NAMESPACE,ADDRESS
                       --relay IDENTITY,NEAR-ADDRESS,FAR-ADDRESS,PID --forwarder NEAR-ADDRESS,PID
                       --measure rate|delay --burst N [--rounds N]
         sends cells from near to far through the relay, and as many datagrams through the forwarder
       peer-load voices --near … --far … --relay IDENTITY,NEAR-ADDRESS,PID [--calls N] [--seconds N]
         builds calls through the relay; for each line of standard input all of them speak for a while
       peer-load flood --from NAMESPACE,ADDRESS --relay IDENTITY,ADDRESS,PID
         floods the relay until standard input ends
       peer-load tunnel LISTEN --tun NAME,ADDRESS,PREFIX --path IDENTITY,ADDRESS+…
         opens a TUN device and a tunnel over the path; prints the address that stands for the callee
       peer-load pour --near NAMESPACE --far NAMESPACE,ADDRESS --wire ADDRESS --behind ADDRESS [--rounds N]
         is the far end of such a tunnel and of wireguard-go, and pours packets into both, in turn";

/// What went wrong, for a person.
pub(crate) type Fault = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["relay", ref rest @ ..] => relay::run(rest),
        ["forward", ref rest @ ..] => forward::run(rest),
        ["drive", ref rest @ ..] => drive::run(rest),
        ["voices", ref rest @ ..] => voices::run(rest),
        ["flood", ref rest @ ..] => flood::run(rest),
        ["tunnel", ref rest @ ..] => tunnel::run(rest),
        ["pour", ref rest @ ..] => pour::run(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("peer-load: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// What stands alone on a command line, and `--name` options with their values.
pub(crate) type Arguments<'a> = (Vec<&'a str>, Vec<(&'a str, &'a str)>);

/// Takes a command line apart.
pub(crate) fn options<'a>(arguments: &[&'a str]) -> Result<Arguments<'a>, Fault> {
    let (mut plain, mut named) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument.strip_prefix("--") {
            Some(name) => named.push((name, *rest.next().ok_or(format!("--{name} wants a value"))?)),
            None => plain.push(argument),
        }
    }
    Ok((plain, named))
}

/// Whether datagrams are handed over and taken in rows.
pub(crate) fn offload(named: &[(&str, &str)]) -> bool {
    named.iter().all(|&(name, value)| name != "offload" || value != "no")
}

/// Blocks until whoever started this program has closed its standard input.
pub(crate) fn wait_for_end() {
    let mut rest = String::new();
    while std::io::stdin().read_line(&mut rest).is_ok_and(|read| read > 0) {}
}
