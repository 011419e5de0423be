//! What fault tests are made of: sites, daemons, senders, disks and networks that fail on demand, and the verdict.

pub(crate) mod analyzer;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod load;
pub(crate) mod net;
pub(crate) mod peer;
pub(crate) mod receiver;
pub(crate) mod shim;
pub(crate) mod site;
pub(crate) mod skip;
pub(crate) mod verdict;
pub(crate) mod wait;
