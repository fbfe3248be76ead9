//! What the fuzz targets reach below this module.

pub(crate) use crate::http::discovery::fuzz::drive as discovery;
#[cfg(feature = "gossip")]
pub(crate) use crate::http::discovery::fuzz_gossip as gossip;
pub(crate) use crate::http::note::fuzz::drive as note;
pub(crate) use crate::http::server::fuzz_head as head;
pub(crate) use crate::http::status::fuzz::drive as status;
pub(crate) use crate::http::token::fuzz::drive as token;
pub(crate) use crate::http::wire::fuzz::drive as target;

pub(crate) fn frame(bytes: &[u8]) {
    crate::http::frame::fuzz::drive(bytes);
    crate::http::since::drive(bytes);
}

pub(crate) fn protobuf(bytes: &[u8]) {
    crate::http::protobuf::fuzz::drive(bytes);
}

pub(crate) fn remove_keys(bytes: &[u8]) {
    crate::http::remove_keys::fuzz::drive(bytes);
}
