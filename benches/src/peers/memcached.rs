//! memcached: its text protocol over a plain socket, with as little work as it can be done with.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::BoxError;
use super::client::{Ask, Session};
use super::scenario::{Scenario, check, value_of};

pub(super) struct Client {
    address: String,
}

impl Client {
    pub(super) fn new(address: &str) -> Result<Self, BoxError> {
        Ok(Self { address: address.to_owned() })
    }

    fn connect(&self, value_bytes: usize) -> Result<Connection, BoxError> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let (start, end) = (0, 0);
        Ok(Connection {
            stream,
            value_bytes,
            request: Vec::new(),
            buffer: vec![0; 64 << 10],
            start,
            end,
        })
    }
}

impl Ask for Client {
    type Session<'a> = Connection;

    fn prime(&self, keys: &[String], scenario: &Scenario) -> Result<(), BoxError> {
        let mut connection = self.connect(scenario.value_bytes)?;
        keys.iter().try_for_each(|key| connection.set(key))
    }

    fn session(&self, scenario: &Scenario) -> Result<Connection, BoxError> {
        self.connect(scenario.value_bytes)
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    value_bytes: usize,
    request: Vec<u8>,
    /// What has arrived and is not read yet is `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    fn set(&mut self, key: &str) -> Result<(), BoxError> {
        let value = value_of(key)?;
        self.request.clear();
        write!(self.request, "set {key} 0 0 {}\r\n", value.len())?;
        self.request.extend_from_slice(&value);
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request)?;
        match self.line()? {
            b"STORED" => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// The next line without its end.
    fn line(&mut self) -> Result<&[u8], BoxError> {
        loop {
            let arrived = &self.buffer[self.start..self.end];
            if let Some(length) = arrived.iter().position(|&byte| byte == b'\n') {
                let line = self.start..(self.start + length).saturating_sub(1);
                self.start += length + 1;
                return Ok(&self.buffer[line]);
            }
            self.read(arrived.len() + 1)?;
        }
    }

    /// The next `length` bytes.
    fn bytes(&mut self, length: usize) -> Result<&[u8], BoxError> {
        while self.end - self.start < length {
            self.read(length)?;
        }
        self.start += length;
        Ok(&self.buffer[self.start - length..self.start])
    }

    /// Reads once, into a buffer that can hold `length` unread bytes.
    fn read(&mut self, length: usize) -> Result<(), BoxError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start + length > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() < length {
                self.buffer.resize(length, 0);
            }
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err("memcached closed the connection".into()),
            n => {
                self.end += n;
                Ok(())
            }
        }
    }
}

impl Session for Connection {
    fn get(&mut self, keys: &[&str]) -> Result<(), BoxError> {
        self.request.clear();
        self.request.extend_from_slice(b"get");
        for key in keys {
            self.request.push(b' ');
            self.request.extend_from_slice(key.as_bytes());
        }
        self.request.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.request)?;
        let value_bytes = self.value_bytes;
        for key in keys {
            let line = self.line()?;
            let mut words = line.split(|&byte| byte == b' ');
            let found = words.next() == Some(b"VALUE") && words.next() == Some(key.as_bytes());
            let length = words.nth(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            let Some(length) = length.filter(|_| found) else { return Err(unexpected(line)) };
            let value: usize = length;
            let bytes = self.bytes(value + 2)?;
            check(key, &bytes[..value], value_bytes)?;
        }
        match self.line()? {
            b"END" => Ok(()),
            other => Err(unexpected(other)),
        }
    }
}

fn unexpected(line: &[u8]) -> BoxError {
    format!("memcached answers {:?}", String::from_utf8_lossy(line)).into()
}
