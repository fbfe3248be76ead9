//! Hosts that are network namespaces, on one switch.

use std::io;
use std::net::Ipv4Addr;
use std::process::Command;

/// Gone with all that is in it when this is dropped.
pub(crate) struct Network {
    /// What the names of the namespaces begin with.
    name: String,
    hosts: usize,
}

impl Network {
    /// So many hosts that reach each other.
    pub(crate) fn of(hosts: usize) -> io::Result<Self> {
        let name = format!("geecache-{}", std::process::id());
        let network = Self { name, hosts };
        let switch = network.switch();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for n in 0..hosts {
            let (host, port, addr) = (network.host(n), port(n), format!("{}/24", addr(n)));
            ip(&["netns", "add", &host])?;
            ip(&[
                "link", "add", "eth0", "netns", &host, "type", "veth", "peer", "name", &port,
                "netns", &switch,
            ])?;
            ip(&["-n", &host, "addr", "add", &addr, "dev", "eth0"])?;
            ip(&["-n", &host, "link", "set", "eth0", "up"])?;
            ip(&["-n", &host, "link", "set", "lo", "up"])?;
            ip(&["-n", &switch, "link", "set", &port, "up"])?;
            network.mend(n)?;
        }
        Ok(network)
    }

    /// The switch drops what comes from the host and what goes to it. Nobody is told.
    pub(crate) fn cut(&self, n: usize) -> io::Result<()> {
        ip(&["-n", &self.switch(), "link", "set", &port(n), "nomaster"])
    }

    pub(crate) fn mend(&self, n: usize) -> io::Result<()> {
        ip(&["-n", &self.switch(), "link", "set", &port(n), "master", "switch"])
    }

    /// A command that runs `program` on the host.
    pub(crate) fn command(&self, n: usize, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.host(n)]).arg(program);
        command
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    fn host(&self, n: usize) -> String {
        format!("{}-{n}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (0..self.hosts).map(|n| self.host(n)).chain([self.switch()]) {
            // It may not have come so far.
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}

/// The address of a host.
pub(crate) fn addr(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 1 + n as u8)
}

/// The end of its cable at the switch.
fn port(n: usize) -> String {
    format!("port{n}")
}

fn ip(args: &[&str]) -> io::Result<()> {
    let done = Command::new("ip").args(args).output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("ip {}: {}", args.join(" "), why.trim())))
}
