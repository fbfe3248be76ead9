//! What the fuzz targets reach below this module.

pub(crate) use crate::http::frame::fuzz::drive as frame;
pub(crate) use crate::http::note::fuzz::drive as note;
pub(crate) use crate::http::server::fuzz_head as head;
pub(crate) use crate::http::token::fuzz::drive as token;
pub(crate) use crate::http::wire::fuzz::drive as target;

pub(crate) fn protobuf(bytes: &[u8]) {
    crate::http::protobuf::fuzz::drive(bytes);
}

pub(crate) fn remove_keys(bytes: &[u8]) {
    crate::http::remove_keys::fuzz::drive(bytes);
}
