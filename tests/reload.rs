//! Reloads of the real daemon: plug-ins are replaced, sites come and go, and whatever is refused changes nothing.

mod crash;
mod files;
mod house;
mod load;
mod plugins;
mod quarantine;
mod sites;
