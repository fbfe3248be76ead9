//! What the fuzz targets reach below this module.

pub(crate) use super::frame::fuzz::drive as frame;
pub(crate) use super::server::fuzz_head as head;
pub(crate) use super::wire::fuzz::drive as target;

pub(crate) fn protobuf(bytes: &[u8]) {
    super::protobuf::fuzz::drive(bytes);
}
