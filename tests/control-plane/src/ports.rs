//! Loopback ports that stay ours.
//!
//! The usual way, binding to port 0, noting the number and closing again, is a race that parallel tests lose now and then.
//! Here the socket stays open, bound but not listening, with `SO_REUSEPORT`: the kernel gives the port to nobody who does
//! not ask for that number with the same option, connections reach only sockets that listen, and the server, told to share
//! its port, can be stopped and started on it again.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt};

/// A port of 127.0.0.1, reserved until this is dropped.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    port: u16,
    _socket: OwnedFd,
}

impl ReservedPort {
    pub(crate) fn new() -> Result<Self> {
        Self::bind().context("reserve a port on 127.0.0.1")
    }

    fn bind() -> Result<Self> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        match SocketAddr::try_from(getsockname(&socket)?)? {
            SocketAddr::V4(address) => Ok(Self { port: address.port(), _socket: socket }),
            SocketAddr::V6(address) => bail!("an IPv4 socket got the address {address}"),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_reserved_port_refuses_connections_and_is_given_to_nobody_else() {
        let reserved = ReservedPort::new().expect("reserved");
        let address = (Ipv4Addr::LOCALHOST, reserved.number());
        assert!(TcpStream::connect(address).is_err());
        assert!(TcpListener::bind(address).is_err());
        drop(reserved);
        TcpListener::bind(address).expect("free again");
    }
}
