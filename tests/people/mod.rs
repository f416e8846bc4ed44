//! People over the real daemon: how they join, prove themselves, change and go, and what their sites see of it.

mod audit;
mod invitations;
mod limits;
mod members;
mod notices;
mod second_factor;
mod secrets;
mod sessions;
