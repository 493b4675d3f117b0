//! Which ways to institutions are there?

use std::sync::Arc;

use super::settings::Payments;
use crate::channel::Channel;
use crate::error::Error;
use crate::pay::{ChannelId, Method};

/// The channels, in the order in which they are tried.
pub(super) struct Ways(Vec<(ChannelId, Arc<dyn Channel>)>);

impl Ways {
    /// # Errors
    /// What is wrong with which channel.
    pub(super) fn of(_settings: &Payments) -> Result<Ways, Error> {
        Ok(Ways(Vec::new()))
    }

    /// The channel of a name.
    pub(super) fn named(&self, name: &ChannelId) -> Option<&Arc<dyn Channel>> {
        self.0.iter().find(|(id, _)| id == name).map(|(_, channel)| channel)
    }

    /// Those that carry a method, the first choice first.
    pub(super) fn carrying(&self, method: Method) -> impl Iterator<Item = &(ChannelId, Arc<dyn Channel>)> {
        self.0.iter().filter(move |(_, channel)| channel.method() == method)
    }
}
