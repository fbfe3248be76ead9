//! The source of truth: a server in the parent, so that loads are counted whatever happens to the
//! peers.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::truth::Truth;

/// Counts the loads that it answers.
pub(crate) struct Source {
    addr: SocketAddr,
    loads: Arc<Mutex<(u64, HashSet<String>)>>,
    truth: Arc<Mutex<Truth>>,
}

impl Source {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let loads = Arc::<Mutex<(u64, HashSet<String>)>>::default();
        let truth = Arc::new(Mutex::new(Truth::new()));
        let (counts, known) = (Arc::clone(&loads), Arc::clone(&truth));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (counts, known) = (Arc::clone(&counts), Arc::clone(&known));
                // A thread each: a peer that is stopped in the middle of its request holds up
                // nobody else.
                std::thread::spawn(move || {
                    if let Ok(Some(key)) = answer(stream, &known) {
                        let mut counts = counts.lock().expect("counting does not panic");
                        counts.0 += 1;
                        counts.1.insert(key);
                    }
                });
            }
        });
        Ok(Self { addr, loads, truth })
    }

    /// What is known of the keys that change.
    pub(crate) fn truth(&self) -> Arc<Mutex<Truth>> {
        Arc::clone(&self.truth)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Loads of keys that do not change, and how many distinct ones were loaded.
    pub(crate) fn counts(&self) -> (u64, usize) {
        let counts = self.loads.lock().expect("counting does not panic");
        (counts.0, counts.1.len())
    }
}

/// The key, if it is one that does not change.
fn answer(mut stream: TcpStream, truth: &Mutex<Truth>) -> io::Result<Option<String>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    let mut request = String::new();
    stream.read_to_string(&mut request)?;
    let known = truth.lock().expect("noting does not panic").answer(&request);
    let is_known = known.is_some();
    stream.write_all(known.unwrap_or_else(|| value_of(&request)).as_bytes())?;
    Ok((!is_known).then_some(request))
}

/// Asks the source at `addr`; what a peer's getter does, with a key that does not change or with
/// what [`Truth`] answers. One try more, as the source is not what is tested here.
pub(crate) fn ask(addr: SocketAddr, request: &str) -> io::Result<String> {
    let once = || {
        let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(request.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut value = String::new();
        stream.read_to_string(&mut value)?;
        if value.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(value) }
    };
    once().or_else(|_| once())
}

/// The one right value of a key: of 20 to 2,000 bytes, and different for every key.
pub(crate) fn value_of(key: &str) -> String {
    let mut seed = key.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    let mut value = format!("{key}=");
    let length = 20 + (seed % 40) * (seed % 49);
    while (value.len() as u64) < length {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.push_str(&format!("{:x}", seed >> 32));
    }
    value
}
