//! How the kernel finds the worker that a datagram belongs to, where several share an address (SO_REUSEPORT).
//!
//! By the rule of `kx::shard`, as a small program that the kernel runs for each datagram. What it hands to the wrong
//! worker all the same (a coalesced row may hold datagrams of several links) is passed on by the worker.

use cell::layout::Kind;
use kx::shard::{RANDOM_BITS_AT, RECEIVER_AT, SENDER_AT, SHARD_AT, Shares};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Makes the kernel choose among the sockets that share an address, in the order in which they were bound.
pub(crate) fn steer(socket: &impl AsFd, shares: Shares) -> io::Result<()> {
    let program = program(shares);
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: a valid descriptor and a valid program of the length told, which the kernel copies.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The rule of [`kx::shard::owner_of`] as classic BPF over the datagram; the worker's number is its result.
fn program(shares: Shares) -> [libc::sock_filter; 17] {
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const LOAD: u32 = libc::BPF_LD | libc::BPF_IMM;
    const KEEP: u32 = libc::BPF_MISC | libc::BPF_TAX;
    const SHIFT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
    const SHIFT_BY_KEPT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_X;
    const DOUBLE: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
    const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
    const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_A;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    [
        step(LOAD_BYTE, 0, 0, 0),
        step(IF_EQUAL, 6, 0, Kind::Hello as u32),
        step(IF_EQUAL, 0, 2, Kind::Handshake as u32),
        step(LOAD_WORD, 0, 0, RECEIVER_AT as u32),
        step(IF_EQUAL, 3, 0, 0),
        // By receiver.
        step(LOAD_WORD, 0, 0, RECEIVER_AT as u32),
        step(SHIFT, 0, 0, SHARD_AT),
        step(JUMP, 0, 0, 2),
        // By sender.
        step(LOAD_WORD, 0, 0, SENDER_AT as u32),
        step(SHIFT, 0, 0, RANDOM_BITS_AT),
        // The two bits of the table that the four stand for.
        step(AND, 0, 0, 15),
        step(DOUBLE, 0, 0, 1),
        step(KEEP, 0, 0, 0),
        step(LOAD, 0, 0, shares.0),
        step(SHIFT_BY_KEPT, 0, 0, 0),
        step(AND, 0, 0, 3),
        step(RETURN, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use cell::layout::{DATAGRAM_BYTES, Datagram};
    use kx::shard::{Owner, owner_of};
    use socket2::{Domain, Socket, Type};
    use std::net::UdpSocket;
    use std::time::Duration;

    fn datagram(kind: u8, receiver: u32, sender: u32) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[0] = kind;
        datagram[RECEIVER_AT..RECEIVER_AT + 4].copy_from_slice(&receiver.to_be_bytes());
        datagram[SENDER_AT..SENDER_AT + 4].copy_from_slice(&sender.to_be_bytes());
        datagram
    }

    #[test]
    fn the_kernel_steers_by_the_same_rule() {
        let workers = 3;
        let shares = Shares(0b01_00_10_01_00_10_00_00_01_10_00_01_10_10_01_00);
        let mut sockets: Vec<UdpSocket> = Vec::new();
        for _ in 0..workers {
            let address =
                sockets.first().map_or("127.0.0.1:0".parse().unwrap(), |first| first.local_addr().unwrap());
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&address.into()).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            sockets.push(socket.into());
        }
        steer(&sockets[0], shares).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut state = 1_u32;
        for number in 0..300_u32 {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            let kind = [1, 2, 3, 3, 4, 4, 77][number as usize % 7];
            let receiver = if number.is_multiple_of(3) { 0 } else { state };
            let datagram = datagram(kind, receiver, state.rotate_left(7));
            let Owner::Shard(worker) = owner_of(&datagram, shares) else { continue };
            sender.send_to(&datagram, sockets[0].local_addr().unwrap()).unwrap();
            let mut received = [0; DATAGRAM_BYTES];
            sockets[worker].recv(&mut received).unwrap();
            assert_eq!(received, datagram, "number {number}");
        }
    }
}
