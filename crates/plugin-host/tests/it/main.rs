//! Real libraries, really loaded: the loader's refusals, and that each sin of the faulty plug-in is contained.

mod hashers;
mod loading;
mod services;
mod stores;
mod world;
