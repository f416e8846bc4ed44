//! Audit sink plug-in: mails each event to the people whom it concerns. Notices (`patd.notice.*`) go to the person in question,
//! other events to the admins of their site; patd says who that is with each batch, as events themselves carry no addresses.
//!
//! It must never send a password over a connection that others can read, never let a text of an event become a header or
//! markup, and never show one recipient another. Each recipient gets a mail of their own, whose `Message-ID` is made of the
//! event's id and the address: a delivery that comes twice is the same mail twice.
//!
//! An event without recipients is accepted without a mail. One that no recipient's server will ever take is rejected; where one
//! of several takes it, it counts as delivered and the log names it.
#![forbid(unsafe_code)]

mod config;
mod letter;
mod mail;
mod mailer;
mod sink;
mod socket;

pub use sink::AuditEmail;

patd_sdk::export! { id: "audit-email", audit: patd_sdk::Managed<AuditEmail> }
